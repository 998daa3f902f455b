"""Promise: responses that last have threads of their own, so that they cannot starve ordinary requests."""

from __future__ import annotations

from gate import Gate, Visitor
from server import Server, Starter, await_true
from wire import Connection

LASTS = "/lasts?gate={}"


def begin(server: Server, gate: Gate) -> tuple[Connection, Visitor]:
    """A stream whose first chunk has come."""
    client = server.connect()
    client.request(LASTS.format(gate.port))
    visitor = gate.wait("lasts")
    head = client.head()
    assert head.status == 200
    assert client.chunk() == b"first\n"
    return client, visitor


def end(client: Connection, visitor: Visitor) -> None:
    visitor.let_through()
    assert client.chunk() == b"last\n"
    client.sock.close()


def test_streams_leave_the_threads_to_others(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "1", "--stream-threads", "3", "--timeout", "300ms")
    streams = [begin(server, gate) for _ in range(3)]
    for _ in range(10):
        assert server.ask("/hello").body == b"hello world\n"
    # --timeout is about the beginning of an answer.
    for client, visitor in streams:
        end(client, visitor)
    assert "app-timeout" not in server.log()
    assert server.terminate() == 0


def test_one_stream_too_many_is_refused(start: Starter, gate: Gate) -> None:
    """A stream has --stream-threads, then half of --threads."""
    server = start("lab:application", "--threads", "2", "--stream-threads", "1")
    streams = [begin(server, gate), begin(server, gate)]

    def refused() -> bool:
        with server.connect() as client:
            client.request("/lasts?gate=")
            return client.answer().status == 503

    await_true(refused, "streams are refused")
    with server.connect() as client:
        answer = client.ask("/parts")
        assert answer.status == 200, "a list is no stream"
    answer = server.ask("/lasts?gate=")
    assert answer.status == 503
    assert answer.get("retry-after")
    assert "streams-full" in server.wait_log("streams-full")
    for _ in range(10):
        assert server.ask("/hello").body == b"hello world\n"
    end(*streams.pop())
    await_true(lambda: not refused(), "streams are served again")
    end(*streams.pop())
    assert server.terminate() == 0
