"""Promise: an application that sets signal handlers does not take the shutdown from the server, and the processes that
it starts end by their own signals."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from gate import Gate
from server import Server, Starter, await_true

AS_TRACERS_DO = """
import atexit, os, signal

def handler(number, frame):
    print("the handler ran", flush=True)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)

signal.signal(signal.Signals[os.environ["OWN_SIGNAL"]], handler)
atexit.register(print, "the exit hook ran", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_handler_set_at_import_does_not_disturb_the_drain(start: Starter, gate: Gate, number: signal.Signals) -> None:
    server = start("own_handlers:application", "--threads", "2", env={"OWN_SIGNAL": number.name})
    warnings = [line for line in server.log().splitlines() if "WARN" in line]
    assert [line for line in warnings if number.name in line], server.log()
    with server.connect() as client:
        client.request(f"/hello?name=last&gate={gate.port}")
        visitor = gate.wait("hello")
        server.send_signal(number)
        await_true(server.refuses, "new connections are refused")
        assert server.is_running()
        visitor.let_through()
        assert client.answer().body == b"hello last\n"
    assert server.exit_code() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_handler_set_while_python_starts_does_not_disturb_the_end(
    start: Starter, tmp_path: Path, number: signal.Signals
) -> None:
    """As that of a tracer, which ends the process by the signal's default action (ddtrace-run)."""
    (tmp_path / "sitecustomize.py").write_text(AS_TRACERS_DO)
    server = start("lab:application", env={"PYTHONPATH": str(tmp_path), "OWN_SIGNAL": number.name})
    assert server.ask("/hello").status == 200
    assert server.terminate(number) == 0
    assert "the exit hook ran" in server.log()
    assert "the handler ran" not in server.log()


def test_a_handler_of_another_signal_is_the_applications_own(start: Starter) -> None:
    server = start("own_handlers:application", "--threads", "2", env={"OWN_SIGNAL": "SIGUSR2"})
    assert "SIGUSR2" not in server.log()
    server.send_signal(signal.SIGUSR2)
    assert server.ask("/hello").status == 200
    assert server.terminate() == 0


@pytest.fixture(scope="module")
def parent(start_once: Starter) -> Server:
    return start_once("edge:application", "--threads", "2")


@pytest.mark.parametrize("page", ["child?method=fork", "child?method=spawn", "shell_child"])
def test_a_process_of_a_request_can_be_terminated(parent: Server, page: str) -> None:
    answer = parent.ask(f"/{page}")
    assert answer.status == 200, parent.log()
    assert json.loads(answer.body) == -signal.SIGTERM
    # The signal was the child's, not the server's.
    assert parent.ask("/hello").body == b"hello world\n"
    assert "draining" not in parent.log()
