"""Promise: close() of a response is called exactly once, however the request ends."""

from __future__ import annotations

import itertools
import socket
import struct

import pytest

from gate import Gate
from server import Server

keys = (f"close-{number}" for number in itertools.count())


def closed(server: Server, key: str) -> bytes:
    """The count; on one thread this request runs after the one before has ended."""
    return server.ask(f"/closed?key={key}").body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_after_a_whole_response(single: Server, gate: Gate, method: str) -> None:
    key = next(keys)
    assert single.ask(f"/closing?key={key}&gate={gate.port}", method).status == 200
    gate.wait("closed")
    assert closed(single, key) == b"1"


@pytest.mark.parametrize("after", [0, 1])
def test_after_an_error_in_the_iteration(single: Server, gate: Gate, after: int) -> None:
    key = next(keys)
    with single.connect() as client:
        client.request(f"/closing_raises?after={after}&key={key}&gate={gate.port}")
        answer = client.whole_or_part()
    if after == 0:
        assert answer
        assert answer.status == 500
    else:
        assert answer is None or not answer.complete
    gate.wait("closed")
    assert closed(single, key) == b"1"


@pytest.mark.parametrize("sent", [50, 150])
def test_after_a_wrong_content_length(single: Server, gate: Gate, sent: int) -> None:
    key = next(keys)
    with single.connect() as client:
        client.request(f"/sized?declared=100&sent={sent}&chunk=10&key={key}&gate={gate.port}")
        client.whole_or_part()
    gate.wait("closed")
    assert closed(single, key) == b"1"


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
def test_after_the_client_has_left(single: Server, gate: Gate, reset: bool) -> None:
    key = next(keys)
    with single.connect() as client:
        client.request(f"/closing_endless?key={key}&gate={gate.port}")
        client.head()
        assert client.chunk() == b"first"
        visitor = gate.wait("first")
        if reset:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    visitor.let_through()
    gate.wait("closed")
    assert closed(single, key) == b"1"


def test_a_close_that_raises_spoils_nothing(single: Server) -> None:
    with single.connect() as client:
        answer = client.ask("/bad_close")
        assert (answer.body, answer.complete) == (b"whole", True)
        assert client.ask("/hello").status == 200
    assert single.wait_log("ValueError: in close()")


def test_a_wrapped_file_is_closed(single: Server, gate: Gate) -> None:
    single.ask(f"/closed_file?path={__file__}&gate={gate.port}")
    gate.wait("closed")
    assert single.ask("/hello").status == 200
    assert gate.is_quiet()
