"""Promise: a client that stalls is answered or cut in bounded time, and one that is slow but steady is not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from server import Server, Starter, await_true

HOST = b"Host: a\r\n"


@pytest.fixture(scope="module")
def hasty(start_once: Starter) -> Server:
    return start_once(
        "lab:application",
        *("--threads", "2", "--header-timeout", "1", "--keep-alive", "1"),
        *("--body-timeout", "1", "--write-timeout", "1"),
    )


def test_a_head_that_never_ends(hasty: Server) -> None:
    with hasty.connect() as client:
        client.send(b"GET /hello HTTP/1.1\r\n" + HOST)
        answer = client.answer()
        assert (answer.status, answer.get("connection")) == (408, "close")
        assert client.is_closed()
    assert "reason=header-timeout" in hasty.wait_log("header-timeout").replace('"', "")


def test_a_head_that_comes_byte_by_byte_has_one_timeout_in_all(hasty: Server) -> None:
    with hasty.connect() as client:
        started = time.monotonic()
        for byte in b"GET /hello HTTP/1.1\r\nX-Long: " + b"x" * 1000:
            try:
                client.send(bytes([byte]))
            except OSError:
                break
            # The pace of the client, not a wait for the server.
            time.sleep(0.02)
            if time.monotonic() - started > 10:
                break
        assert time.monotonic() - started < 8


def test_a_second_head_has_its_own_timeout(hasty: Server) -> None:
    with hasty.connect() as client:
        assert client.ask("/hello").status == 200
        client.send(b"GET /hel")
        assert client.answer().status == 408
        assert client.is_closed()


def test_a_connection_without_a_request(hasty: Server) -> None:
    with hasty.connect() as client:
        assert client.is_closed()


def test_an_idle_connection(hasty: Server) -> None:
    with hasty.connect() as client:
        assert client.ask("/hello").status == 200
        assert client.is_closed()


def test_a_body_that_stands_still(hasty: Server) -> None:
    for framing in (b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"):
        with hasty.connect() as client:
            client.send(b"POST /hello HTTP/1.1\r\n" + HOST + framing)
            answer = client.answer()
            assert (answer.status, answer.get("connection")) == (408, "close")
            assert client.is_closed()


def test_a_client_that_takes_nothing(hasty: Server) -> None:
    with hasty.connect(receive_buffer=4096) as client:
        client.request("/big?mib=64")
        assert "complete=false" in hasty.wait_log('path="/big"')
        received, _ = client.rest()
        assert len(received) < 64 << 20
    assert hasty.ask("/hello").status == 200


def test_nothing_is_kept_for_a_client_that_takes_nothing(start: Starter) -> None:
    """The connection ends in a reset: a regular end would wait in the kernel, with all that is unsent."""
    server = start("lab:application", "--write-timeout", "300ms")
    with server.connect(receive_buffer=4096) as client:
        client.request("/big?mib=64")
        assert 'reason="write-timeout"' in server.wait_log('path="/big"')
        await_true(lambda: not states_of(server.ports[0], client.sock.getsockname()[1]), "the server's end is gone")
        _, complete = client.rest()
        assert not complete


def states_of(server_port: int, client_port: int) -> list[str]:
    """The states (proc_net_tcp(5)) of the server's end of a connection."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]

    def port(address: str) -> int:
        return int(address.rpartition(":")[2], 16)

    return [state for _, ours, peer, state, *_ in rows if (port(ours), port(peer)) == (server_port, client_port)]
