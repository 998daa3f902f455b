"""Promise: each chunk of a generator reaches the client while the application still works on the next."""

from __future__ import annotations

import pytest

from gate import Gate
from server import Server


def test_chunks_are_flushed_one_by_one(lab: Server, gate: Gate) -> None:
    with lab.connect() as client:
        client.request(f"/stream?gate={gate.port}")
        head = client.head()
        assert head.status == 200
        assert head.get("transfer-encoding") == "chunked"
        for word in ("one", "two", "three"):
            assert client.chunk() == word.encode()
            gate.wait(word).let_through()
        assert client.chunk() == b""


def test_chunks_with_content_length_are_flushed_too(lab: Server, gate: Gate) -> None:
    with lab.connect() as client:
        client.request(f"/stream_sized?gate={gate.port}")
        head = client.head()
        assert head.get("content-length") == "11"
        for word in ("one", "two", "three"):
            assert client.exactly(len(word)) == word.encode()
            gate.wait(word).let_through()
        assert client.ask("/hello").status == 200
    assert "complete=true" in lab.wait_log(f'path="/stream_sized" query="gate={gate.port}"')


def test_http_1_0_gets_a_stream_ended_by_the_close(lab: Server, gate: Gate) -> None:
    with lab.connect() as client:
        client.request(f"/stream?gate={gate.port}", version="1.0")
        head = client.head()
        assert head.get("transfer-encoding") is None
        assert client.exactly(3) == b"one"
        for word in ("one", "two", "three"):
            gate.wait(word).let_through()
        assert client.rest() == (b"twothree", True)


@pytest.mark.parametrize("mib", [1, 10])
def test_a_large_stream_is_whole(lab: Server, mib: int) -> None:
    answer = lab.ask(f"/big?mib={mib}")
    assert answer.complete
    assert answer.body == b"".join(bytes([n % 251]) * (1 << 20) for n in range(mib))
