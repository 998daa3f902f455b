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


def refuses_streams(server: Server) -> bool:
    with server.connect() as client:
        client.request("/lasts?gate=")
        return client.answer().status == 503


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

    await_true(lambda: refuses_streams(server), "streams are refused")
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
    await_true(lambda: not refuses_streams(server), "streams are served again")
    end(*streams.pop())
    assert server.terminate() == 0


def test_a_large_page_is_no_stream(start: Starter, gate: Gate) -> None:
    """Where all of the body is there at once, a client is answered however many streams there are."""
    server = start("edge:application", "--threads", "2", "--stream-threads", "1")
    streams = [begin(server, gate), begin(server, gate)]
    await_true(lambda: refuses_streams(server), "streams are refused")
    for kib in (1, 64, 65, 3072):
        for page in (f"/listed?kib={kib}", f"/listed?kib={kib}&sized=1", f"/at_once?kib={kib}"):
            answer = server.ask(page)
            assert (answer.status, len(answer.body)) == (200, kib * 1024), page
    for stream in streams:
        end(*stream)
    assert server.terminate() == 0


def test_without_threads_of_their_own_streams_have_half_of_the_others(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "2", "--stream-threads", "0")
    stream = begin(server, gate)
    await_true(lambda: refuses_streams(server), "streams are refused")
    assert server.ask("/hello").body == b"hello world\n"
    end(*stream)
    await_true(lambda: not refuses_streams(server), "streams are served again")
    assert server.terminate() == 0
