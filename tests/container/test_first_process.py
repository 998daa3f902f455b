"""Promise: the container's first process reaps what others leave, takes no child from its parent, and ends with the server."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from ask import Run, text
from containers import Container


@pytest.fixture
def server(run: Run, lab: str) -> Container:
    container = run(lab, "monopod", "lab:app", "--threads", "4")
    container.wait_log("listening on ")
    return container


def states(container: Container) -> dict[str, list[str]]:
    """State and command of everything in the container, by number."""
    found: dict[str, list[str]] = json.loads(text(container, "/processes"))
    return found


def test_an_orphaned_grandchild_is_reaped(server: Container) -> None:
    at_rest = set(states(server))
    orphans = {text(server, "/orphan").strip() for _ in range(5)}
    assert orphans
    deadline = time.monotonic() + 20
    while left := set(states(server)) - at_rest:
        assert time.monotonic() < deadline, {number: states(server).get(number) for number in left}
        time.sleep(0.05)


def test_a_childs_own_status_reaches_subprocess(server: Container) -> None:
    for _ in range(20):
        assert json.loads(text(server, "/status")) == [7, -signal.SIGKILL]


def test_the_end_of_the_server_is_the_end_of_the_container(server: Container) -> None:
    # The numbers as the host counts; the server is the one below the first.
    numbers = set(server.processes()) - {server.pid}
    (below,) = numbers or {server.pid}
    os.kill(below, signal.SIGKILL)
    assert server.exit_code() == 128 + signal.SIGKILL


def test_other_commands_have_an_init_for_the_asking(run: Run, lab: str) -> None:
    container = run(lab, "monopod", "init", "--", "python", "-c", "import lab; print(lab.processes()); exit(5)")
    assert container.exit_code() == 5
    found = json.loads(container.wait_log("python"))
    assert found["1"][1] == "monopod-init"
