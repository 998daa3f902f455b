"""Promise: what clients have not read yet costs memory within --buffer-memory, however many they are and however small
the parts were."""

from __future__ import annotations

import socket

import pytest

from gate import Gate
from server import Server, Starter
from wire import Connection, Head

MIB = 1 << 20
ALLOWED = 64 * MIB
CLIENTS = 200
KIB = 900


@pytest.fixture
def frugal(start: Starter) -> Server:
    server = start("edge:application", "--threads", "4", "--buffer-memory", "1m")
    for _ in range(8):
        assert server.ask(f"/listed?kib={KIB}&sized=1").complete
        assert server.ask("/big?mib=2").complete
    server.forget_peak()
    return server


def check(server: Server, before: int) -> None:
    now = server.memory()
    grown = max(now.total, now.peak) - before
    assert grown < ALLOWED, f"{grown / MIB:.0f} MiB above {before / MIB:.0f} MiB: {now}"


def read_all(client: Connection, head: Head) -> tuple[bytes, bool]:
    """The body, by a client that is slow no more: with its small window every other segment may take a timer of TCP's."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
    return client.body(head)


@pytest.mark.parametrize("sized", ["&sized=1", ""], ids=["sized", "unsized"])
def test_many_clients_that_do_not_read_their_list(frugal: Server, sized: str) -> None:
    before = frugal.memory().total
    clients = [frugal.connect(receive_buffer=4096) for _ in range(CLIENTS)]
    heads: list[Head] = []
    for client in clients:
        client.request(f"/listed?kib={KIB}{sized}")
        # Its head is all that a client takes for now.
        heads.append(client.head())
    check(frugal, before)
    expected = b"".join(bytes([n]) * min(1 << 16, KIB * 1024 - (n << 16)) for n in range(15))
    for client, head in zip(clients, heads, strict=True):
        assert head.status == 200
        assert read_all(client, head) == (expected, True)
        client.sock.close()
    assert frugal.ask("/hello").status == 200


def test_unread_generators_of_a_million_crumbs(frugal: Server, gate: Gate) -> None:
    before = frugal.memory().total
    clients = [frugal.connect(receive_buffer=4096) for _ in range(4)]
    heads: list[Head] = []
    for client in clients:
        client.request(f"/crumbs?gate={gate.port}")
    for _ in clients:
        gate.wait("closed")
    check(frugal, before)
    heads = [client.head() for client in clients]
    for client, head in zip(clients, heads, strict=True):
        assert read_all(client, head) == (b"x" * MIB, True)
        client.sock.close()


def test_unread_lists_of_a_million_crumbs(frugal: Server) -> None:
    before = frugal.memory().total
    clients = [frugal.connect(receive_buffer=4096) for _ in range(4)]
    heads: list[Head] = []
    for client in clients:
        client.request("/crumbs?as=list")
        heads.append(client.head())
    check(frugal, before)
    for client, head in zip(clients, heads, strict=True):
        assert read_all(client, head) == (b"x" * MIB, True)
        client.sock.close()
