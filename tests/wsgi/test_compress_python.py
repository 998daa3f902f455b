"""Promise: `monopod.compress` does for Python what the command does; the Django app has it as a management command, and as
storages that make collectstatic the only step. `import monopod` imports no framework."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from python_face import needs_package, python, run
from server import environment
from wire import TIMEOUT

pytestmark = needs_package

SCRIPT = "".join(f"function f{n}(x) {{ return x + {n}; }}\n" for n in range(300))
SUFFIXES = ("br", "gz", "zst")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    root.mkdir()
    (root / "app.js").write_text(SCRIPT)
    return root


def siblings(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.suffix in (".br", ".gz", ".zst"))


def test_the_report(root: Path) -> None:
    printed = python(
        """
        import json, monopod, pathlib
        for directory in ("static", pathlib.Path("static")):
            report = monopod.compress([directory])
            print(json.dumps([report.files, report.written, report.up_to_date, report.skipped, report.removed,
                              report.bytes_before, report.bytes_after, report.seconds, str(report), repr(report)]))
        try:
            report.files = 3
        except AttributeError:
            print("frozen")
        """,
        root.parent,
    )
    first, second, frozen = printed.splitlines()
    best = min((root / f"app.js.{suffix}").stat().st_size for suffix in SUFFIXES)
    *numbers, seconds, sentence, shown = json.loads(first)
    assert numbers == [1, 3, 0, 0, 0, len(SCRIPT), best]
    assert 0 < seconds < TIMEOUT
    assert sentence.startswith("1 files: 3 siblings written")
    assert shown.startswith("CompressReport(files=1, written=3, ")
    assert json.loads(second)[:3] == [1, 0, 3]
    assert frozen == "frozen"


def test_what_goes_wrong_is_an_exception_with_the_sentence(root: Path) -> None:
    printed = python(
        """
        import monopod
        def attempt(*args, **kwargs):
            try:
                print(monopod.compress(*args, **kwargs).written)
            except Exception as error:
                print(type(error).__name__, error)
        attempt(["static"], check=True)
        attempt(["static"])
        attempt(["static"], check=True)
        attempt(["missing"])
        attempt([])
        attempt("static")
        """,
        root.parent,
    )
    stale, written, fine, missing, empty, no_list = printed.splitlines()
    assert stale == (
        "ValueError 3 compressed siblings are missing or stale (the first is static/app.js.br); "
        "run `monopod compress static`"
    )
    assert (written, fine) == ("3", "0")
    assert missing.startswith("FileNotFoundError cannot read the directory missing: ")
    assert missing.endswith("give directories that exist")
    assert empty == "ValueError name at least one directory"
    # Not the directories `s`, `t`, `a`, …
    assert no_list.startswith("TypeError ")


def test_other_threads_run_meanwhile_and_ctrl_c_ends_it(root: Path) -> None:
    # So many that none of it is over before the signal comes, however busy the machine.
    for number in range(1000):
        (root / f"{number}.js").write_text(SCRIPT)
    # Only a thread that runs during the call can see the first sibling appear, and the others not yet.
    program = """
        import monopod, os, signal, threading
        # A shell that runs the tests in the background has it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        def look():
            while not any(name.endswith(".gz") for name in os.listdir("static")):
                pass
            print("running", flush=True)
        threading.Thread(target=look, daemon=True).start()
        try:
            monopod.compress(["static"])
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=root.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    printed, complaints = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, printed, complaints) == (0, "interrupted\n", "")
    assert 0 < len(siblings(root)) < 3 * 401
    # Nothing half-written is left.
    assert [path.name for path in root.glob(".*")] == [".monopod-digests"]


def test_importing_it_imports_no_framework(tmp_path: Path) -> None:
    printed = python(
        """
        import sys, monopod, monopod.contrib
        print([name for name in sys.modules if name.split(".")[0] in ("django", "flask")])
        """,
        tmp_path,
    )
    assert printed == "[]\n"


# Django

SETTINGS = """
from pathlib import Path
HERE = Path(__file__).parent
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.staticfiles", "monopod.contrib.django"]
STATIC_URL = "/static/"
STATIC_ROOT = HERE / "collected"
STATICFILES_DIRS = [HERE / "assets"]
STORAGES = {"staticfiles": {"BACKEND": "monopod.contrib.django.storage.%s"}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/app.js").write_text(SCRIPT)
    (tmp_path / "assets/site.css").write_text(".a { background: url(app.js) }\n" * 50)
    settle(tmp_path, "CompressedStaticFilesStorage")
    return tmp_path


def settle(project: Path, storage: str, more: str = "") -> None:
    (project / "settings.py").write_text(SETTINGS % storage + more)


def manage(project: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "django", *args, cwd=project, env={"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": "."})


def test_collectstatic_compresses(project: Path) -> None:
    ended = manage(project, "collectstatic", "--no-input")
    assert ended.returncode == 0, ended.stderr
    names = [f"{name}.{suffix}" for name in ("app.js", "site.css") for suffix in SUFFIXES]
    assert siblings(project / "collected") == names
    assert manage(project, "compress", "--check").returncode == 0
    assert manage(project, "collectstatic", "--no-input").returncode == 0
    assert siblings(project / "collected") == names


def test_collectstatic_with_a_manifest_compresses_the_hashed_files(project: Path) -> None:
    settle(project, "CompressedManifestStaticFilesStorage")
    ended = manage(project, "collectstatic", "--no-input")
    assert ended.returncode == 0, ended.stderr
    collected = project / "collected"
    hashed = json.loads((collected / "staticfiles.json").read_text())["paths"]
    assert hashed["app.js"] != "app.js"
    # The manifest itself is small and stays as it is.
    expected = [f"{name}.{suffix}" for name in (*hashed, *hashed.values()) for suffix in SUFFIXES]
    assert siblings(collected) == sorted(expected)
    assert manage(project, "compress", "--check").returncode == 0


@pytest.mark.parametrize("storage", ["CompressedStaticFilesStorage", "CompressedManifestStaticFilesStorage"])
@pytest.mark.parametrize("option", ["--dry-run", "--no-post-process"])
def test_collectstatic_can_be_told_not_to(project: Path, storage: str, option: str) -> None:
    settle(project, storage)
    (project / "collected").mkdir()
    (project / "collected/old.js").write_text(SCRIPT)
    ended = manage(project, "collectstatic", "--no-input", option)
    assert ended.returncode == 0, ended.stderr
    assert siblings(project / "collected") == []


def test_collectstatic_fails_where_compressing_does(project: Path) -> None:
    (project / "collected/.monopod-digests").mkdir(parents=True)
    ended = manage(project, "collectstatic", "--no-input")
    assert ended.returncode != 0
    assert "cannot write" in ended.stderr
    assert "run where the directory is writable" in ended.stderr


def test_the_management_command(project: Path) -> None:
    settle(project, "CompressedStaticFilesStorage")
    (project / "other").mkdir()
    for name in ("collected", "other"):
        (project / name).mkdir(exist_ok=True)
        (project / name / "app.js").write_text(SCRIPT)

    ended = manage(project, "compress", "--check")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("CommandError: 3 compressed siblings are missing or stale (the first is ")
    assert siblings(project / "collected") == []

    ended = manage(project, "compress")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("1 files: 3 siblings written, ")
    assert siblings(project / "collected") == ["app.js.br", "app.js.gz", "app.js.zst"]
    assert siblings(project / "other") == []
    assert manage(project, "compress", "--check").returncode == 0

    ended = manage(project, "compress", "other", "--verbosity", "0")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert siblings(project / "other") == ["app.js.br", "app.js.gz", "app.js.zst"]


def test_the_management_command_without_static_root(project: Path) -> None:
    settle(project, "CompressedStaticFilesStorage", "STATIC_ROOT = None\n")
    ended = manage(project, "compress")
    assert ended.returncode == 1
    assert ended.stderr == "CommandError: STATIC_ROOT is not set: set it, or name the directories.\n"
