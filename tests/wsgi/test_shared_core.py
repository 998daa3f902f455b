"""Promise: on a single core static files do not wait for Python, as its threads stand back; without them nobody does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server import Server, Starter

CORE = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))


def nice_of(server: Server) -> dict[str, int]:
    """The nice value of each Python thread that runs requests (proc_pid_stat(5))."""
    found = {}
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        name, fields = (task / "stat").read_text().rpartition(")")[::2]
        found[name.partition("(")[2]] = int(fields.split()[16])
    return found


@pytest.fixture
def static(tmp_path: Path) -> Path:
    (tmp_path / "site.css").write_text("body {}")
    return tmp_path


def test_python_stands_back_for_static_files(start: Starter, static: Path) -> None:
    server = start("lab:application", "--static", f"/static={static}", within=CORE)
    assert server.ask("/hello").status == 200
    nice = nice_of(server)
    assert nice.pop("monopod-io") == 0
    assert 10 in nice.values()


def test_nobody_does_without_them_or_with_a_core_for_each(start: Starter, static: Path) -> None:
    for options, within in (((), CORE), (("--static", f"/static={static}"), ())):
        server = start("lab:application", *options, within=within)
        assert server.ask("/hello").status == 200
        if within or len(os.sched_getaffinity(0)) > 1:
            assert set(nice_of(server).values()) == {0}
