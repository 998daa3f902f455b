"""Promise: `environ['monopod.client_disconnected']()` tells an application that works for nobody any more."""

from __future__ import annotations

import pytest

from gate import Gate
from server import Starter


@pytest.mark.parametrize("after", ["", "1"], ids=["before-the-response", "in-a-stream"])
@pytest.mark.parametrize("thread", ["", "1"], ids=["own-thread", "other-thread"])
def test_a_client_that_leaves_is_seen(start: Starter, gate: Gate, after: str, thread: str) -> None:
    server = start("lab:application", "--threads", "2")
    with server.connect() as client:
        client.request(f"/looks?after={after}&thread={thread}&gate={gate.port}")
        visitor = gate.wait("looks False")
        if after:
            assert client.head().status == 200
        visitor.let_through()
        for _ in range(3):
            assert server.ask("/hello").status == 200
        assert gate.is_quiet(), "the client is still there"
    gate.wait("left")
    assert server.ask("/hello").status == 200
    assert server.terminate() == 0


def test_a_client_that_was_told_504_waits_no_more(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "1", "--timeout", "300ms")
    with server.connect() as client:
        client.request(f"/looks?thread=1&gate={gate.port}")
        gate.wait("looks False").let_through()
        assert client.answer().status == 504
        gate.wait("left")
