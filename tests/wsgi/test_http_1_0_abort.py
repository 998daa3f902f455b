"""Promise: a response without Content-Length that fails midway ends in a reset for an HTTP/1.0 client, which has nothing
else to tell it from a whole one."""

from __future__ import annotations

import pytest

from gate import Gate
from server import Server
from wire import Headers

KEEP_ALIVE = [("Connection", "keep-alive")]


@pytest.mark.parametrize("headers", [[], KEEP_ALIVE], ids=["plain", "keep-alive"])
def test_a_failure_after_the_client_has_seen_a_chunk(lab: Server, gate: Gate, headers: Headers) -> None:
    with lab.connect() as client:
        client.request(f"/raises_after?chunks=1&gate={gate.port}", version="1.0", headers=headers)
        head = client.head()
        assert head.status == 200
        assert head.get("content-length") is None
        assert head.get("transfer-encoding") is None
        assert client.exactly(5) == b"chunk"
        gate.wait("before the error").let_through()
        with pytest.raises(ConnectionResetError):
            client.sock.recv(1)
    assert lab.ask("/hello").status == 200


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_failure_at_once(lab: Server, chunks: int) -> None:
    """How much of it arrives before the reset is left to the moment."""
    with lab.connect() as client:
        client.request(f"/raises_after?chunks={chunks}", version="1.0")
        _, complete = client.rest()
        assert not complete


def test_a_body_of_the_wrong_type_after_a_chunk(lab: Server) -> None:
    with lab.connect() as client:
        client.request("/text_later", version="1.0")
        _, complete = client.rest()
        assert not complete


def test_a_whole_one_ends_cleanly(lab: Server) -> None:
    with lab.connect() as client:
        client.request("/big?mib=3", version="1.0")
        answer = client.answer()
    assert (len(answer.body), answer.complete) == (3 << 20, True)
