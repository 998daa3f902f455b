"""Promise: `monopod compress` says what it did in one line of JSON (to a person: a bar and a sentence), `--check` changes
nothing, and what it learned spares the server the reading of every file, without changing an answer."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from server import Face, Starter, environment
from wire import TIMEOUT

SCRIPT = b"".join(b"function f%d(x) { return x + %d; }\n" % (n, n) for n in range(300))
DIGESTS = ".monopod-digests"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "js").mkdir(parents=True)
    (root / "js/app.js").write_bytes(SCRIPT)
    (root / "tiny.txt").write_text("tiny\n")
    return root


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_one_line_of_json(face: Face, root: Path) -> None:
    before = snapshot(root)
    ended = face.run("compress", str(root))
    assert (ended.returncode, ended.stderr) == (0, "")
    (line,) = ended.stdout.splitlines()
    report = json.loads(line)
    best = min((root / f"js/app.js.{suffix}").stat().st_size for suffix in ("br", "zst", "gz"))
    assert 0 <= report.pop("seconds") < 20
    assert report == {
        "files": 2,
        "written": 3,
        "up_to_date": 0,
        "skipped": 1,
        "removed": 0,
        "bytes_before": len(SCRIPT) + 5,
        "bytes_after": best + 5,
    }
    after = snapshot(root)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {DIGESTS, "js/app.js.br", "js/app.js.zst", "js/app.js.gz"}

    again = json.loads(face.run("compress", str(root)).stdout)
    assert (again["written"], again["up_to_date"]) == (0, 3)
    assert snapshot(root) == after


def test_a_check_exits_with_1_and_changes_nothing(face: Face, root: Path) -> None:
    before = snapshot(root)
    ended = face.run("compress", "--check", str(root))
    assert (ended.returncode, ended.stdout) == (1, "")
    first = root / "js/app.js.br"
    assert ended.stderr == (
        f"monopod: 3 compressed siblings are missing or stale (the first is {first}); run `monopod compress {root}`\n"
    )
    assert snapshot(root) == before

    assert face.run("compress", str(root)).returncode == 0
    compressed = snapshot(root)
    ended = face.run("compress", str(root), "--check")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["up_to_date"] == 3
    assert snapshot(root) == compressed


def test_siblings_of_files_that_are_gone(face: Face, root: Path) -> None:
    assert face.run("compress", str(root)).returncode == 0
    (root / "js/app.js").unlink()
    (root / "js/theirs.js.gz").write_bytes(b"of another tool")
    assert face.run("compress", "--check", str(root)).returncode == 1
    assert json.loads(face.run("compress", str(root)).stdout)["removed"] == 3
    assert set(snapshot(root)) == {DIGESTS, "tiny.txt", "js/theirs.js.gz"}


def test_a_bar_and_a_sentence_on_a_terminal(face: Face, root: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        command = face.command("compress", str(root))
        for stdout in (theirs, subprocess.PIPE):
            process = subprocess.Popen(
                command, env=environment({"TERM": "xterm"}), stdin=subprocess.DEVNULL, stdout=stdout, stderr=theirs
            )
            piped, _ = process.communicate(timeout=TIMEOUT)
            assert process.returncode == 0
            shown = os.read(ours, 65536).decode()
            assert "\rcompressing [" in shown
            # Nothing of the bar is left.
            assert "\r\x1b[K" in shown
            if stdout == theirs:
                assert "2 files: 3 siblings written, 0 up to date, 0 removed; 1 files need none; " in shown
                assert "{" not in shown
            else:
                assert json.loads(piped)["up_to_date"] == 3
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("nothing_but_digests", [False, True])
def test_a_directory_that_is_read_only(face: Face, root: Path, nothing_but_digests: bool) -> None:
    if nothing_but_digests:
        (root / "js/app.js").unlink()
    # Root may write where the mode forbids it, unless it gives that up.
    caps = "-dac_override,-dac_read_search"
    within = ("setpriv", f"--bounding-set={caps}", f"--inh-caps={caps}") if os.geteuid() == 0 else ()
    for directory in (root / "js", root):
        directory.chmod(0o555)
    ended = face.run("compress", str(root), within=within)
    for directory in (root / "js", root):
        directory.chmod(0o755)
    assert (ended.returncode, ended.stdout) == (69, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"monopod: cannot write {root}/{DIGESTS if nothing_but_digests else 'js/app.js.'}")
    assert line.endswith("run where the directory is writable, such as the image build")
    assert not list(root.rglob(".monopod*"))


def test_the_server_answers_the_same_with_and_without_digests(start: Starter, root: Path) -> None:
    assert start.face.run("compress", str(root)).returncode == 0
    (root / "large.bin").write_bytes(bytes(range(256)) * 4096 * 5)
    assert start.face.run("compress", str(root)).returncode == 0

    def answers() -> list[tuple[int, str | None, bytes]]:
        server = start("lab:application", "--threads", "1", "--static", f"/static={root}")
        assert "digests" not in server.log()
        asked = [
            server.ask("/static/js/app.js"),
            server.ask("/static/js/app.js", headers=[("Accept-Encoding", "br")]),
            server.ask("/static/large.bin"),
            server.ask("/static/tiny.txt"),
        ]
        assert server.ask(f"/static/{DIGESTS}").status == 404
        return [(answer.status, answer.get("etag"), answer.body) for answer in asked]

    known = answers()
    assert [status for status, _, _ in known] == [200] * 4
    (root / DIGESTS).unlink()
    assert answers() == known


def test_digests_that_are_broken_are_ignored_with_a_warning(start: Starter, root: Path) -> None:
    assert start.face.run("compress", str(root)).returncode == 0
    text = (root / DIGESTS).read_text()
    (root / DIGESTS).write_text(text.replace("tiny.txt", "other.txt"))
    server = start("lab:application", "--threads", "1", "--static", f"/static={root}")
    assert server.ask("/static/tiny.txt").body == b"tiny\n"
    line = server.wait_log("digests")
    assert "WARN" in line
    assert f"run `monopod compress {root}` again" in line


def test_a_file_that_changed_has_another_tag(start: Starter, root: Path) -> None:
    large = root / "large.bin"
    large.write_bytes(bytes(5 << 20))
    assert start.face.run("compress", str(root)).returncode == 0

    def etag() -> str | None:
        server = start("lab:application", "--threads", "1", "--static", f"/static={root}")
        return server.ask("/static/large.bin").get("etag")

    before = etag()
    large.write_bytes(b"\1" * (5 << 20))
    assert etag() not in (None, before)
