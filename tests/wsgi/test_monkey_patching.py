"""Promise: an application that gevent has patched is refused at the start with a sentence, as its threads would hang."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from server import Face, Starter

APP = """
import gevent.monkey
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An application beside a gevent that is none; `PATCHED` in its module says what it claims to have patched."""
    (tmp_path / "patched.py").write_text(APP)
    (tmp_path / "gevent").mkdir()
    (tmp_path / "gevent/__init__.py").write_text("")
    return tmp_path


def claim(place: Path, patched: list[str]) -> None:
    (place / "gevent/monkey.py").write_text(f"def is_module_patched(name):\n    return name in {patched!r}\n")


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize("patched", [["threading"], ["threading", "thread", "socket", "time"]], ids=["one", "all"])
def test_patched_threading_is_refused_by_name(face: Face, place: Path, command: str, patched: list[str]) -> None:
    claim(place, patched)
    began = time.monotonic()
    ended = face.run(command, "patched:app", "--bind", "127.0.0.1:0", cwd=place)
    assert time.monotonic() - began < 10
    assert ended.returncode in (64, 70, 78), ended
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("monopod: ")
    assert "gevent" in last
    assert "panicked" not in ended.stderr


def test_gevent_that_patched_nothing_is_no_reason(start: Starter, place: Path) -> None:
    claim(place, [])
    assert start("patched:app", cwd=place).ask().body == b"ok"
