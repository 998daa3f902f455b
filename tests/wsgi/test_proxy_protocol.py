"""Promise: where --proxy-protocol says so, a trusted peer's connection begins with a PROXY header, and only there."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from typing import Any

import pytest

from server import Server, Starter
from wire import TIMEOUT, Connection

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = socket.inet_aton("1.2.3.4") + socket.inet_aton("5.6.7.8") + struct.pack("!HH", 56, 443)
V6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    + struct.pack("!HH", 56, 443)
)
TLVS = b"\x04\x00\x03abc" + b"\x20\x01\x00" + bytes(256)


def v2(command: int, family: int, rest: bytes = b"") -> bytes:
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack("!H", len(rest)) + rest


@pytest.fixture(scope="module")
def proxied(start_once: Starter) -> Server:
    return start_once("lab:application", "--proxy-protocol")


def ends(seen: dict[str, Any]) -> tuple[str, str, str, str]:
    return (seen["REMOTE_ADDR"], seen["REMOTE_PORT"], seen["SERVER_NAME"], seen["SERVER_PORT"])


V4_ENDS = ("1.2.3.4", "56", "5.6.7.8", "443")
V6_ENDS = ("2001:db8::1", "56", "2001:db8::2", "443")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 56 443\r\n", V4_ENDS),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 56 443\r\n", V6_ENDS),
        (v2(1, 0x11, V4), V4_ENDS),
        (v2(1, 0x11, V4 + TLVS), V4_ENDS),
        (v2(1, 0x21, V6), V6_ENDS),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff:f 1 2 3\r\n", None),
        (v2(0, 0x00), None),
        (v2(0, 0x11, V4 + TLVS), None),
        (v2(1, 0x00, TLVS), None),
        (v2(1, 0x31, bytes(216)), None),
    ],
)
@pytest.mark.parametrize("slowly", [False, True])
def test_the_client_is_the_one_in_the_header(
    proxied: Server, header: bytes, expected: tuple[str, str, str, str] | None, slowly: bool
) -> None:
    with proxied.connect() as client:
        if slowly:
            client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header:
                client.send(bytes([byte]))
        host, port = client.sock.getsockname()
        own = (host, str(port), "127.0.0.1", str(proxied.port))
        request = b"GET /environ HTTP/1.1\r\nHost: h\r\n\r\n"
        # Two requests in the packet of the header: not a byte of them is lost.
        client.send((b"" if slowly else header) + request + request)
        for _ in range(2):
            seen = json.loads(client.answer().body)["plain"]
            assert ends(seen) == (expected or own)


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /environ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 56\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 56 65536\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 56 443\n",
        b"PROXY TCP4 ::1 ::2 56 443\r\n",
        b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
        v2(2, 0x11, V4),
        v2(1, 0x11, V4[:-1]),
        v2(1, 0x51, V4),
        v2(1, 0x11, V4 + bytes(5000)),
        b"\r\n\r\n\0\r\nQUIT\r",
    ],
)
def test_without_a_sound_header_the_connection_ends_unanswered(proxied: Server, begin: bytes) -> None:
    with proxied.connect() as client:
        client.send(begin + b"GET /hello?refused HTTP/1.1\r\nHost: h\r\n\r\n")
        # A reset where bytes were left unread.
        with contextlib.suppress(ConnectionResetError):
            assert client.sock.recv(1) == b""
    assert "refused" not in proxied.log()


def test_the_header_comes_once_per_connection(proxied: Server) -> None:
    line = b"PROXY TCP4 1.2.3.4 5.6.7.8 56 443\r\n"
    with proxied.connect() as client:
        client.send(line + b"GET /environ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert ends(json.loads(client.answer().body)["plain"]) == V4_ENDS
        client.send(line.replace(b"1.2.3.4", b"6.6.6.6") + b"GET /environ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.answer().status == 400


def test_the_client_in_the_header_is_the_peer_that_is_trusted_or_not(start: Starter) -> None:
    server = start("lab:application", "--proxy-protocol", "--forwarded-allow-ips", "127.0.0.1,1.2.3.4")
    for header, expected in (
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 56 443\r\n", "9.9.9.9"),
        (b"PROXY TCP4 1.2.3.5 5.6.7.8 56 443\r\n", "1.2.3.5"),
        # The proxy's own connection, and one of a client it cannot name.
        (v2(0, 0), "9.9.9.9"),
        (v2(1, 0), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ):
        with server.connect() as client:
            client.send(header)
            seen = json.loads(client.ask("/environ", headers=[("X-Forwarded-For", "9.9.9.9")]).body)["plain"]
            assert seen["REMOTE_ADDR"] == expected, header


def test_who_is_not_trusted_speaks_http_from_the_first_byte(start: Starter) -> None:
    server = start("lab:application", "--proxy-protocol", "--forwarded-allow-ips", "127.0.0.2")
    assert server.ask("/hello").status == 200
    with server.connect() as client:
        client.send(b"PROXY TCP4 1.2.3.4 5.6.7.8 56 443\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.answer().status == 400
    sock = socket.create_connection(("127.0.0.1", server.port), TIMEOUT, ("127.0.0.2", 0))
    with Connection(sock) as client:
        client.send(b"PROXY TCP4 1.2.3.4 5.6.7.8 56 443\r\n")
        assert ends(json.loads(client.ask("/environ").body)["plain"]) == V4_ENDS
    assert server.terminate() == 0
    assert server.log().count("untrusted-proxy") == 1


def test_without_the_option_it_is_a_malformed_request(lab: Server) -> None:
    with lab.connect() as client:
        client.send(b"PROXY TCP4 1.2.3.4 5.6.7.8 56 443\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.answer().status == 400


def test_a_missing_header_is_told_once(start: Starter) -> None:
    server = start("lab:application", "--proxy-protocol")
    for _ in range(2):
        with server.connect() as client:
            client.request("/hello")
            assert client.whole_or_part() is None
    # A probe of the port is not worth a word.
    server.connect().sock.close()
    assert server.terminate() == 0
    assert server.log().count("no-proxy-header") == 1


def test_a_drain_does_not_wait_for_a_header(start: Starter) -> None:
    server = start("lab:application", "--proxy-protocol")
    with server.connect() as silent, server.connect() as client:
        silent.send(b"PROXY ")
        client.send(b"PROXY UNKNOWN\r\n")
        assert client.ask("/hello").status == 200
        assert server.terminate(timeout=8) == 0


def test_a_unix_socket_begins_with_it_too(start: Starter, tmp_path: Any) -> None:
    server = start("lab:application", "--proxy-protocol", "--forwarded-allow-ips", "none", bind=(f"unix:{tmp_path}/s",))
    with server.connect() as client:
        client.send(b"PROXY TCP4 1.2.3.4 5.6.7.8 56 443\r\n")
        assert ends(json.loads(client.ask("/environ").body)["plain"]) == V4_ENDS
