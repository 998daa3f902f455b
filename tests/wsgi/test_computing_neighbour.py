"""Promise: a request that computes for long does not hold the others, with the GIL in its hands or without."""

from __future__ import annotations

import time

import pytest

from gate import Gate
from server import Server, Starter

THREADS = 4
# A margin for slow machines; a held request would take the whole two seconds.
AT_MOST = 0.5


@pytest.fixture(scope="module")
def server(start_once: Starter) -> Server:
    server = start_once("edge:application", "--threads", str(THREADS))
    for _ in range(20):
        assert server.ask("/hello").status == 200
    return server


def answered_meanwhile(server: Server) -> None:
    """Twenty small requests, one after the other, each on a connection of its own."""
    for number in range(20):
        began = time.monotonic()
        assert server.ask(f"/hello?name={number}").body == f"hello {number}\n".encode()
        took = time.monotonic() - began
        assert took < AT_MOST, f"request {number} took {took:.2f} s"


@pytest.mark.parametrize("page", ["spin", "derive"])
def test_small_requests_beside_one_that_computes(server: Server, gate: Gate, page: str) -> None:
    with server.connect() as computing:
        computing.request(f"/{page}?gate={gate.port}")
        gate.wait("computes")
        answered_meanwhile(server)
        assert computing.answer().status == 200


@pytest.mark.parametrize("page", ["spin", "derive"])
def test_small_requests_that_come_with_it_in_one_burst(server: Server, gate: Gate, page: str) -> None:
    """They were in the queue, behind it, before its thread began to compute."""
    with server.connect() as computing:
        clients = [server.connect() for _ in range(20)]
        computing.request(f"/{page}?gate={gate.port}")
        for client in clients:
            client.request("/hello")
        gate.wait("computes")
        began = time.monotonic()
        for client in clients:
            assert client.answer().body == b"hello world\n"
            client.sock.close()
        took = time.monotonic() - began
        assert took < 2 * AT_MOST, f"all of them took {took:.2f} s"
        assert computing.answer().status == 200


def test_all_but_one_thread_computing_leave_one_for_the_others(server: Server, gate: Gate) -> None:
    computing = [server.connect() for _ in range(THREADS - 1)]
    for client in computing:
        client.request(f"/derive?gate={gate.port}")
    for _ in computing:
        gate.wait("computes")
    answered_meanwhile(server)
    for client in computing:
        assert client.answer().status == 200
        client.sock.close()
