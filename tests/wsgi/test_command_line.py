"""Promise: the command line is as its users expect: help that fits a screen, colours only on a terminal, completions that
complete, a manual page, and for a slip the word that was meant."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server import Face, environment

ANSI = re.compile(r"\x1b\[")
GROUPS = ["Serve", "Static files", "Limits", "Edge", "Life", "Logs"]


def say(face: Face, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command with these words and nothing else: not all take the options of `face.run`."""
    return Face(face.name, face.path).run(args[0], *args[1:], env=env)


def on_a_terminal(face: Face, *args: str, env: dict[str, str] | None = None) -> str:
    """What the command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    own = {name: value for name, value in environment(env).items() if name not in ("NO_COLOR", "CLICOLOR")}
    own = {**own, "TERM": "xterm", "COLUMNS": "80", **(env or {})}
    process = subprocess.Popen([face.path, *args], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, env=own)
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux tells the end of a terminal by EIO.
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert process.wait(20) == 0
    return text.decode()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], ["--bind", "--threads", "--static", "check", "monopod --help"]),
        (["dev"], ["--bind", "--threads", "--reload", "--reload-extra-file", "--open", "monopod --help"]),
    ],
)
def test_brief_help_fits_a_screen(face: Face, args: list[str], words: list[str]) -> None:
    ended = say(face, *args, "-h", env={"COLUMNS": "80"})
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert 20 <= len(lines) <= 50, len(lines)
    assert max(map(len, lines)) <= 80
    for word in words:
        assert word in ended.stdout


def test_whole_help_is_in_groups_and_a_group_alone(face: Face) -> None:
    whole = say(face, "--help", env={"COLUMNS": "80"}).stdout
    assert max(map(len, whole.splitlines())) <= 80
    headings = re.findall(r"^(\w.*):$", whole, re.MULTILINE)
    assert headings[-8:] == [*GROUPS, "Development (monopod dev)", "Other"]
    defaults = [
        re.search(r"--threads .*?\[default: ([^]]*)", text, re.DOTALL)
        for text in (whole, say(face, "dev", "--help").stdout)
    ]
    assert [" ".join(found[1].split()) for found in defaults if found] == ["4 per CPU, from 4 to 32", "4"]
    logs = say(face, "help", "logs").stdout
    assert "--slow-request" in logs
    assert "--bind" not in logs


@pytest.mark.parametrize("args", [["-h"], ["--help"], ["help", "logs"], ["help", "compress"]])
def test_colours_are_for_terminals(face: Face, args: list[str]) -> None:
    assert ANSI.search(on_a_terminal(face, *args))
    assert not ANSI.search(say(face, *args).stdout)
    for quiet in ({"NO_COLOR": "1"}, {"CLICOLOR": "0"}, {"TERM": "dumb"}):
        assert not ANSI.search(on_a_terminal(face, *args, env=quiet)), quiet


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--thread", "4"], 64, "did you mean --threads?"),
        (["--max-body-siz=4m"], 64, "did you mean --max-body-size?"),
        (["chekc"], 70, "did you mean `monopod check`?"),
        (["--threads", "2", "check"], 70, "A command comes first; did you mean `monopod check …`?"),
        (["chekc", "app:app"], 64, "did you mean `monopod check`?"),
        (["help", "nothing"], 64, "limits, edge, life, logs, dev"),
        (["completions", "tcsh"], 64, "bash, elvish, fish, powershell, zsh"),
        (["--log-level", "loud"], 64, "error, warn, info, debug, trace"),
        (["--log-format", "xml"], 64, "`json` or `text`"),
        (["--access-log=maybe"], 64, "`true` or `false`"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(
    face: Face, tmp_path: Path, args: list[str], code: int, says: str
) -> None:
    options = ["--bind", "127.0.0.1:0", *face.options] if code == 70 else []
    ended = Face(face.name, face.path).run(args[0], *args[1:], *options, cwd=tmp_path)
    assert ended.returncode == code, ended
    assert says in ended.stderr.splitlines()[-1]
    # Nothing of how Rust shows its values.
    assert not re.search(r'Some\(|Err\(|Os \{|kind: |"\)', ended.stderr), ended.stderr


def complete_in_bash(script: Path, *words: str, cwd: Path) -> list[str]:
    """What bash offers for the last of the words, by the function that the script registers."""
    driver = (
        'source "$0" || exit 3\n'
        "function=$(complete -p monopod) || exit 4\n"
        "function=${function##* -F } function=${function%% *}\n"
        'COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()\n'
        '"$function" monopod "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    ended = subprocess.run(
        ["bash", "--norc", "-c", driver, str(script), *words], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended
    return sorted(filter(None, ended.stdout.splitlines()))


def test_bash_completes(face: Face, tmp_path: Path) -> None:
    script = tmp_path / "monopod.bash"
    script.write_text(say(face, "completions", "bash").stdout)
    (tmp_path / "monopod.toml").touch()
    for words, expected in [
        (("monopod", "--thr"), ["--threads"]),
        (("monopod", "health"), ["healthcheck"]),
        (("monopod", "check", "--static-"), ["--static-root"]),
        (("monopod", "--log-level", "w"), ["warn"]),
        (("monopod", "serve", "--log-format", ""), ["json", "text"]),
        (("monopod", "completions", "z"), ["zsh"]),
        (("monopod", "help", "li"), ["life", "limits"]),
        (("monopod", "--config", "mono"), ["monopod.bash", "monopod.toml"]),
        (("monopod", "--worker-tmp"), []),
        (("monopod", "dev", "--rel"), ["--reload", "--reload-extra-file"]),
        # They refuse it.
        (("monopod", "--rel"), []),
        (("monopod", "serve", "--rel"), []),
        (("monopod", "check", "--rel"), []),
        (("monopod", "healthcheck", "--thr"), []),
        (("monopod", "healthcheck", "--admin"), ["--admin-bind"]),
    ]:
        assert complete_in_bash(script, *words, cwd=tmp_path) == expected, words


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_their_scripts(face: Face, tmp_path: Path, shell: str) -> None:
    script = tmp_path / "script"
    script.write_text(say(face, "completions", shell).stdout)
    assert "healthcheck" in script.read_text()
    if not shutil.which(shell):
        return  # Written, and not judged by the shell itself.
    ended = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_manual_page_is_sound(face: Face) -> None:
    page = say(face, "man").stdout
    for section in (".SH NAME", ".SH SYNOPSIS", ".SH COMMANDS", '.SH "STATIC FILES"', ".SH SIGNALS", ".SH EXAMPLES"):
        assert section in page, section
    if not shutil.which("groff"):
        return
    command = ["groff", "-ww", "-man", "-Tutf8", "-Kutf8", "-rLL=78n"]
    ended = subprocess.run(command, input=page, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "--static-root" in re.sub(r"\x1b\[\d*m|.\x08", "", ended.stdout)


def test_the_manual_page_and_the_docs_have_the_same_exit_codes_and_signals(face: Face) -> None:
    page = say(face, "man").stdout.replace("\\-", "-")
    docs = (Path(__file__).parents[2] / "docs/signals.md").read_text()
    codes = re.findall(r"^\.TP\n\\fB(\d[\d, +n]*)\\fR\n", page, re.MULTILINE)
    assert codes == re.findall(r"^\| (\d[\d, +n]*) \|", docs, re.MULTILINE)
    signals = re.findall(r"^\.TP\n\\fB([A-Z][A-Z\d, ]*)\\fR\n", page, re.MULTILINE)
    rows = re.findall(r"^\| (`SIG.*?) \|", docs, re.MULTILINE)
    assert {name for row in signals for name in row.split(", ")} == set(re.findall(r"SIG(\w+)", "".join(rows)))


@pytest.mark.parametrize(
    "args",
    [
        ["-h"],
        ["--version"],
        ["man"],
        ["completions", "bash"],
        ["check", "app:app"],
        ["--print-config", "app:app"],
        ["explain", "--", "gunicorn", "app:app"],
    ],
    ids=" ".join,
)
def test_a_result_that_cannot_be_written_is_no_success(face: Face, tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "app.py").write_text("def app(e, s):\n    pass\n")
    options = face.options if "app:app" in args and args[0] != "explain" else ()

    def run(stdout: int) -> subprocess.CompletedProcess[str]:
        command = [face.path, *args, *options]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(), stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
        )

    with open("/dev/full", "w") as full:
        ended = run(full.fileno())
    assert ended.returncode == 74, ended
    assert re.fullmatch(r"monopod: standard output cannot be written \(No space left.*\n", ended.stderr), ended.stderr
    # A pager that was left.
    reader, writer = os.pipe()
    os.close(reader)
    ended = run(writer)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_print_config_tells_what_it_leaves_out(face: Face, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def app(e, s):\n    pass\n")
    ended = face.run("--print-config", "app:app", "--env", "KEY=secret", cwd=tmp_path)
    assert (ended.returncode, "secret" in ended.stdout + ended.stderr) == (0, False), ended
    assert "--env of KEY" in ended.stderr
    assert face.run("--print-config", "app:app", cwd=tmp_path).stderr == ""


def test_check_fits_eighty_columns(face: Face, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def app(e, s):\n    pass\n")
    args = ["--static", "/static=/srv/a/long/way/to/the/collected/static/files", "-w", "4", "--worker-tmp-dir", "/x"]
    ended = face.run("check", "app:app", *args, cwd=tmp_path)
    assert ended.returncode == 0, ended
    wide = [
        line for line in ended.stdout.splitlines() if len(line) > 80 and "venv" not in line and "static" not in line
    ]
    assert not wide
    # Nothing of development, which is another command's.
    assert [line for line in ended.stdout.splitlines() if re.fullmatch(r"[A-Z][^.:]*", line)] == GROUPS
