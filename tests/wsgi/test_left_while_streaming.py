"""Promise: a response whose client has left is stopped, even one that gives nothing or uses write(), and its thread is
free again."""

from __future__ import annotations

import socket
import struct

import pytest

from gate import Gate
from server import Starter

THREADS = 2


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("way", ["empty", "empty-after-first", "write"])
def test_an_endless_response_is_stopped(start: Starter, gate: Gate, way: str, reset: bool) -> None:
    server = start("edge:application", "--threads", str(THREADS))
    clients = [server.connect() for _ in range(THREADS)]
    for client in clients:
        client.request(f"/left?by={way}&key=left&gate={gate.port}")
    for _ in clients:
        gate.wait("runs")
    for client in clients:
        if way != "empty":
            assert client.head().status == 200
        if reset:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()
    for _ in clients:
        gate.wait("closed")
    # As many requests as threads are inside at once: none of them is still held.
    clients = [server.connect() for _ in range(THREADS)]
    for client in clients:
        client.request(f"/hello?gate={gate.port}")
    for visitor in [gate.wait("hello") for _ in clients]:
        visitor.let_through()
    for client in clients:
        assert client.answer().body == b"hello world\n"
        client.sock.close()
    if way != "write":
        assert server.ask("/closed?key=left").body == str(THREADS).encode()
    assert server.terminate() == 0


@pytest.mark.parametrize("way", ["empty", "empty-after-first", "write"])
def test_a_client_that_stays_gets_it(start: Starter, gate: Gate, way: str) -> None:
    """Only the one whose client left is stopped."""
    server = start("edge:application", "--threads", str(THREADS))
    staying, leaving = server.connect(), server.connect()
    for client in (staying, leaving):
        client.request(f"/left?by={way}&key=left&gate={gate.port}")
        gate.wait("runs")
    leaving.sock.close()
    gate.wait("closed")
    assert server.ask("/hello").body == b"hello world\n"
    assert gate.is_quiet()
    if way != "empty":
        assert staying.head().status == 200
        assert staying.chunk().startswith(b"first")
    staying.sock.close()
    gate.wait("closed")
