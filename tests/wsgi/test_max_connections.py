"""Promise: no more connections are open than --max-connections; who comes then waits in the backlog, idle connections
make room at once, and busy ones are never cut."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from gate import Gate
from server import Face, Server, Starter, await_true
from wire import Connection

FULL = "reason=connections-full"


def limited(start: Starter, connections: int, *options: str, **more: object) -> Server:
    args = ("--max-connections", str(connections), "--threads", "2", *options)
    return start("lab:application", *args, **more)


def wait_full(server: Server) -> None:
    """Until the server has seen that somebody waits."""
    await_true(lambda: FULL in server.log().replace('"', ""), "connections-full in the log")


def has_answer(client: Connection) -> bool:
    """Whether anything has come by now."""
    client.sock.setblocking(False)
    try:
        return bool(client.sock.recv(1))
    except BlockingIOError:
        return False
    finally:
        client.sock.settimeout(15)


def test_one_more_waits_until_one_closes(start: Starter) -> None:
    server = limited(start, 2, "--header-timeout", "60")
    with server.connect() as one, server.connect(), server.connect() as third:
        third.request("/hello?name=third")
        wait_full(server)
        assert not has_answer(third)
        one.sock.close()
        assert third.answer().body == b"hello third\n"


def test_the_connection_idle_longest_makes_room_at_once(start: Starter) -> None:
    server = limited(start, 3)
    with server.connect() as one, server.connect() as two, server.connect() as three:
        for client in (one, two, three, one):
            assert client.ask("/hello").status == 200
        with server.connect() as fourth:
            started = time.monotonic()
            assert fourth.ask("/hello").status == 200
            # Long before --keep-alive.
            assert time.monotonic() - started < 10
            assert two.is_closed()
            for client in (one, three, fourth):
                assert client.ask("/hello").status == 200
            with server.connect() as fifth:
                assert fifth.ask("/hello").status == 200
                assert one.is_closed()
    # The log is whole once the server has ended.
    assert server.terminate() == 0
    assert server.log().count("connections-full") == 1, "not once for each"


def test_nobody_waits_so_nobody_is_closed(start: Starter) -> None:
    server = limited(start, 2)
    with server.connect() as one, server.connect() as two:
        for _ in range(3):
            assert one.ask("/hello").status == two.ask("/hello").status == 200
    assert server.terminate() == 0
    assert "connections-full" not in server.log()


def test_each_of_many_newcomers_is_served(start: Starter) -> None:
    """A limit of 8, and 200 clients that all stay: each is answered, whoever of the others is closed."""
    server = limited(start, 8)
    with ExitStack() as stack:
        for number in range(200):
            client = stack.enter_context(server.connect())
            assert client.ask(f"/hello?name={number}").body == f"hello {number}\n".encode()


def test_all_listeners_share_the_limit(start: Starter, tmp_path: Path) -> None:
    """A listener that nobody comes to holds nothing: with one permit, both are served in turn."""
    server = limited(start, 1, bind=("127.0.0.1:0", "127.0.0.1:0", f"unix:{tmp_path}/s"))
    with ExitStack() as stack:
        for port in server.ports * 3:
            client = Connection(socket.create_connection(("127.0.0.1", port)))
            stack.enter_context(client)
            assert client.ask("/hello").status == 200


def in_the_application(client: Connection, gate: Gate) -> Callable[[], None]:
    client.request(f"/hello?name=busy&gate={gate.port}")
    visitor = gate.wait("hello")

    def end() -> None:
        visitor.let_through()
        assert client.answer().body == b"hello busy\n"

    return end


def uploading(client: Connection, _: Gate) -> Callable[[], None]:
    client.request("/digest", "POST", [("Content-Length", "10")])
    client.send(b"01234")

    def end() -> None:
        client.send(b"56789")
        assert client.answer().status == 200

    return end


def downloading(client: Connection, _: Gate) -> Callable[[], None]:
    client.request("/big?mib=20")
    assert client.head().status == 200

    def end() -> None:
        while client.chunk():
            pass

    return end


def sending_the_next_head(client: Connection, _: Gate) -> Callable[[], None]:
    assert client.ask("/hello").status == 200
    client.send(b"GET /hello?name=busy HT")

    def end() -> None:
        client.send(b"TP/1.1\r\nHost: a\r\n\r\n")
        assert client.answer().body == b"hello busy\n"

    return end


@pytest.mark.parametrize("begin", [in_the_application, uploading, downloading, sending_the_next_head])
def test_a_busy_connection_is_not_cut(
    start: Starter, gate: Gate, begin: Callable[[Connection, Gate], Callable[[], None]]
) -> None:
    server = limited(start, 1)
    # A small buffer, so that a download stays in the server's.
    with server.connect(receive_buffer=4096) as busy, server.connect() as next_one:
        end = begin(busy, gate)
        next_one.request("/hello?name=next")
        wait_full(server)
        assert not has_answer(next_one)
        end()
        # Idle now, so it goes.
        assert next_one.answer().body == b"hello next\n"
        assert busy.is_closed()


def test_waiting_costs_no_cpu(start: Starter, gate: Gate) -> None:
    server = limited(start, 2)
    with ExitStack() as stack:
        ends = []
        for _ in range(2):
            ends.append(in_the_application(stack.enter_context(server.connect()), gate))
        waiting = [stack.enter_context(server.connect()) for _ in range(50)]
        for client in waiting:
            client.request("/hello", headers=[("Connection", "close")])
        wait_full(server)
        before = server.cpu_seconds()
        # The time that is measured.
        time.sleep(2)
        assert server.cpu_seconds() - before < 0.5
        for end in ends:
            end()
        for client in waiting:
            assert client.answer().status == 200


def test_few_descriptors(start: Starter) -> None:
    """With 64 descriptors, hundreds of clients come and stay, or go, and all are answered."""
    server = start("lab:application", "--threads", "2", within=("prlimit", "--nofile=64:64"))
    with ExitStack() as stack:
        for number in range(300):
            client = stack.enter_context(server.connect())
            body = b"x" * 300_000 if number % 10 == 0 else b"x"
            assert client.ask(f"/hello?name={number}", "POST", body=body).body == f"hello {number}\n".encode()
            if number % 3 == 0:
                client.sock.close()
        descriptors = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
        assert descriptors < 64
        before = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - before < 0.3
    assert server.terminate() == 0
    assert "accept-failed" not in server.log()


def test_no_end_of_descriptors(start: Starter) -> None:
    """2^30, or as many as the kernel gives: nothing is sized by it."""
    tries = [f"prlimit --pid $$ --nofile={most}:{most}" for most in (1 << 30, 1 << 20)]
    script = " || ".join([*tries, "ulimit -n $(ulimit -Hn)"])
    server = start("lab:application", within=("sh", "-c", f'{{ {script}; }} 2>/dev/null; exec "$@"', "sh"))
    assert server.ask("/hello").status == 200
    assert server.memory().total < 100 << 20


def test_the_soft_limit_is_raised_and_decides(face: Face, start: Starter) -> None:
    within = ("prlimit", "--nofile=100:232")
    rows = face.run("check", "lab:application", within=within).stdout.splitlines()
    assert ["max-connections", "100"] in [row.split()[:2] for row in rows]
    server = start("lab:application", within=within)
    limits = Path(f"/proc/{server.pid}/limits").read_text().splitlines()
    (row,) = [line.split() for line in limits if line.startswith("Max open files")]
    assert row[3:5] == ["232", "232"]
