"""Promise: a server that cannot start says why in one sentence, with the traceback where there is one, and exits at
once with a sysexits code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from server import Face

GOOD = "def app(environ, start_response):\n    pass\n"


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("source", "target", "raised"),
    [
        ("import no_such_module_here\n" + GOOD, "broken:app", "No module named 'no_such_module_here'"),
        ("raise ValueError('at import')\n" + GOOD, "broken:app", "ValueError: at import"),
        ("def app(:\n", "broken:app", "SyntaxError"),
        ("def make():\n    raise KeyError('in the factory')\n", "broken:make()", "KeyError: 'in the factory'"),
        ("raise SystemExit(3)\n" + GOOD, "broken:app", "SystemExit: 3"),
    ],
    ids=["missing import", "raises", "syntax", "factory", "exits"],
)
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_failing_import_shows_its_traceback(
    face: Face, tmp_path: Path, command: str, source: str, target: str, raised: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    ended = face.run(command, target, "--bind", "127.0.0.1:0", cwd=tmp_path)
    assert ended.returncode == 70, ended
    assert raised in ended.stderr
    assert "broken.py" in ended.stderr
    assert "Traceback" in ended.stderr or "SyntaxError" in ended.stderr
    assert last_line(ended.stderr).startswith("monopod: ")
    assert "broken" in last_line(ended.stderr)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("no_such_module:app", "no_such_module"),
        ("package.no_such:app", "package.no_such"),
        ("good:no_such", "no_such"),
        ("good:NUMBER", "NUMBER"),
        ("good:app.no_such", "no_such"),
        ("good:NUMBER()", "NUMBER"),
        ("good:returns_none()", "returns_none"),
        ("empty", "empty"),
        ("no/such/file.py", "no/such/file.py"),
        ("good:app(1)", "app(1)"),
        ("not a target", "not a target"),
        (None, "application"),
    ],
)
def test_a_wrong_target_is_named(face: Face, tmp_path: Path, target: str | None, says: str) -> None:
    (tmp_path / "good.py").write_text(GOOD + "NUMBER = 5\ndef returns_none():\n    pass\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("")
    ended = face.run("serve", *([target] if target else []), "--bind", "127.0.0.1:0", cwd=tmp_path)
    assert ended.returncode in (64, 70, 78), ended
    assert says in last_line(ended.stderr), ended.stderr
    assert last_line(ended.stderr).startswith("monopod: ")
    assert "panicked" not in ended.stderr


@pytest.mark.parametrize("stated", ["", "2.7", "3.99.1"])
def test_a_venv_that_does_not_fit_is_refused(face: Face, tmp_path: Path, stated: str) -> None:
    """None at all, or of another Python, which would load in silence and then miss its packages."""
    if face.name == "wheel":
        return  # It runs in the environment it is installed in; --venv is the binary's.
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    if stated:
        (tmp_path / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {stated}\n")
    bare = Face(face.name, face.path)
    ended = bare.run("check", "good:app", "--venv", str(tmp_path), cwd=tmp_path)
    assert ended.returncode == 78, ended
    assert str(tmp_path) in ended.stderr
    if stated:
        assert ".".join(stated.split(".")[:2]) in ended.stderr
        assert f"{sys.version_info.major}.{sys.version_info.minor}" in ended.stderr
