"""Promise: docs/signals.md. What each signal does in each part of the server's life, and with which code it ends."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from gate import Gate
from samples import scrape
from server import Face, Server, Starter, await_true
from wire import Closed, Connection

ADMIN = ("--admin-bind", "127.0.0.1:0")
STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]

# An import that nothing but the end of the process ends.
STUBBORN = """
import os, sys, time
sys.path.insert(0, {apps!r})
from knock import knock
from lab import application as app
while True:
    try:
        knock({{"QUERY_STRING": "gate=" + os.environ["IMPORT_GATE"]}}, "importing")
        time.sleep(3600)
    except BaseException as error:
        print("swallowed", type(error).__name__, flush=True)
"""


def names(number: signal.Signals) -> str:
    return number.name.removeprefix("SIG")


def drain(client: Connection) -> None:
    """Read to the end."""
    while client.sock.recv(4096):
        pass


def is_listening(server: Server) -> bool:
    """Whether the ready line was written."""
    return "listening on " in server.log()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2], ids=names)
def test_there_is_nothing_to_re_read(start: Starter, number: signal.Signals) -> None:
    server = start("lab:application")
    server.send_signal(number)
    assert number.name in server.wait_log("there is nothing to re-read")
    assert server.ask("/hello").status == 200
    assert server.terminate() == 0


def test_sigquit_is_quick_as_sigint(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--drain-delay", "1m")
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        server.send_signal(signal.SIGQUIT)
        await_true(server.refuses, "new connections are refused")
        visitor.let_through()
        assert client.answer().status == 200
    assert server.exit_code() == 0
    assert "SIGQUIT" in server.log()


@pytest.mark.parametrize("number", STOPS, ids=names)
def test_during_an_import_that_swallows_everything(
    start: Starter, gate: Gate, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN.format(apps=str(Path(__file__).parent / "apps")))
    server = start("stubborn:app", *ADMIN, cwd=tmp_path, env={"IMPORT_GATE": str(gate.port)}, ready="admin port on ")
    gate.wait("importing").let_through()
    assert server.ask_admin("/-/ready").body == b"starting\n"
    began = time.monotonic()
    assert server.terminate(number) == 0
    assert time.monotonic() - began < 5
    assert "swallowed" not in server.log()
    assert not is_listening(server)


def test_an_application_that_fails_ends_with_its_code(face: Face) -> None:
    for target, code in (("no_such_module:app", 70), ("lab:application()x", 64)):
        assert face.run("serve", target, "--bind", "127.0.0.1:0").returncode == code
    assert face.run("serve", "lab:application", env={"MONOPOD_THREADS": "x"}).returncode == 78


# At the deadline


def test_what_is_cut_off_is_told_and_answered(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "1", "--graceful-timeout", "1s")
    with server.connect() as running, server.connect() as queued:
        running.request(f"/hello?name=held&gate={gate.port}")
        visitor = gate.wait("hello")
        queued.request("/hello?name=queued")
        server.send_signal(signal.SIGTERM)
        # An answer of its own for each, as neither has begun.
        for client in (running, queued):
            answer = client.answer()
            assert (answer.status, answer.get("retry-after"), answer.get("connection")) == (503, "1", "close")
            assert client.is_closed()
        visitor.let_through()
    assert server.exit_code(timeout=20) == 0
    server.wait_log("cut off in the application")
    told = server.log()
    for words in ("drain-timeout", 'method="GET"', 'path="/hello"', "seconds=", 'thread="monopod-1"', "knock.py"):
        assert words in told
    records = [line for line in server.log().splitlines() if "monopod::access" in line]
    assert len(records) == 2
    for query in ("name=held", "name=queued"):
        (record,) = (line for line in records if query in line)
        assert "status=503" in record
        assert 'reason="drain-timeout"' in record


def test_what_has_begun_is_cut_and_never_looks_complete(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--graceful-timeout", "1s")
    with server.connect() as stream, server.connect() as old, server.connect() as upload:
        upload.send(b"POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        stream.request(f"/stream?gate={gate.port}")
        stream.head()
        assert stream.chunk() == b"one"
        gate.wait("one")
        old.send(f"GET /stream?old&gate={gate.port} HTTP/1.0\r\n\r\n".encode())
        gate.wait("one")
        server.send_signal(signal.SIGTERM)
        with pytest.raises(Closed):
            stream.chunk()
        # Without a length only the connection's end tells, so it must be an abrupt one.
        for client in (old, upload):
            with pytest.raises(ConnectionResetError):
                drain(client)
    assert server.exit_code(timeout=20) == 0
    records = [line for line in server.log().splitlines() if "monopod::access" in line]
    assert len(records) == 3
    for record in records:
        assert 'reason="drain-timeout"' in record
        assert "complete=false" in record


def test_while_native_code_holds_the_gil(start: Starter, gate: Gate) -> None:
    server = start("edge:application", "--graceful-timeout", "500ms")
    with server.connect() as client:
        client.request(f"/stuck?by=gil&gate={gate.port}")
        gate.wait("stuck")
        server.send_signal(signal.SIGTERM)
        assert client.answer().status == 503
    assert server.exit_code(timeout=20) == 0
    server.wait_log("cut off in the application")
    assert "holds the GIL" in server.log()


# Listeners


@pytest.fixture
def listener() -> socket.socket:
    """One that a test can break under the server, which shares it."""
    return socket.create_server(("127.0.0.1", 0))


def test_a_listener_that_fails_during_the_delay(start: Starter, gate: Gate, listener: socket.socket) -> None:
    number = listener.fileno()
    server = start("lab:application", "--drain-delay", "1m", *ADMIN, bind=(f"fd://{number}",), pass_fds=(number,))
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        server.send_signal(signal.SIGTERM)
        server.wait_log("drain-delay")
        listener.shutdown(socket.SHUT_RDWR)
        server.wait_log("listener-failed")
        server.wait_log("draining")
        assert scrape(server).get("monopod_requests_in_flight") == 1
        visitor.let_through()
        assert client.answer().status == 200
    assert server.exit_code() == 0


def test_a_listener_that_fails_ends_the_server_when_all_is_answered(
    start: Starter, gate: Gate, listener: socket.socket
) -> None:
    number = listener.fileno()
    server = start("lab:application", "--drain-delay", "1m", *ADMIN, bind=(f"fd://{number}",), pass_fds=(number,))
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        listener.shutdown(socket.SHUT_RDWR)
        server.wait_log("listener-failed")
        assert server.ask_admin("/-/ready").body == b"draining\n"
        visitor.let_through()
        assert client.answer().status == 200
    assert server.exit_code() == 70
