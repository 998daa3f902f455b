"""Promise: whatever the application hangs in, a second signal ends the process at once, and one signal ends it soon
after --graceful-timeout; never by a crash."""

from __future__ import annotations

import signal
import time

import pytest

from gate import Gate
from server import Server, Starter, await_true
from wire import Connection

# Which hang, and whether an exit hook hangs as well.
HANGS = ["exit", "gil", "sleep", "sleep+exit"]


def hanging(start: Starter, gate: Gate, hang: str, *options: str) -> tuple[Server, list[Connection]]:
    """A server with two threads, one of them inside what hangs, and that request's client."""
    env = {"AT_EXIT_GATE": str(gate.port)}
    module = "at_exit" if "exit" in hang else "edge"
    server = start(f"{module}:application", "--threads", "2", *options, env=env)
    assert server.ask("/hello").status == 200
    by = hang.removesuffix("+exit")
    if by == "exit":
        return server, []
    client = server.connect()
    client.request(f"/stuck?by={by}&gate={gate.port}")
    gate.wait("stuck")
    return server, [client]


def ends_within(server: Server, seconds: float) -> None:
    began = time.monotonic()
    code = server.exit_code(timeout=30)
    took = time.monotonic() - began
    assert code >= 0, f"ended by signal {-code}:\n{server.log()}"
    assert took < seconds, f"took {took:.1f} s:\n{server.log()}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
@pytest.mark.parametrize("hang", HANGS)
def test_a_second_signal(start: Starter, gate: Gate, hang: str, number: signal.Signals) -> None:
    server, clients = hanging(start, gate, hang)
    server.send_signal(number)
    if hang == "exit":
        gate.wait("at exit")
    else:
        await_true(server.refuses, "new connections are refused")
    assert server.is_running()
    server.send_signal(number)
    ends_within(server, 3)
    for client in clients:
        assert client.is_closed()


@pytest.mark.parametrize("hang", HANGS)
def test_one_signal(start: Starter, gate: Gate, hang: str) -> None:
    server, clients = hanging(start, gate, hang, "--graceful-timeout", "1s")
    server.send_signal(signal.SIGTERM)
    ends_within(server, 12)
    for client in clients:
        assert client.answer().status == 503
        assert client.is_closed()
