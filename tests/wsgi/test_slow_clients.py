"""Promise: clients that send or read slowly do not hold the only Python thread."""

from __future__ import annotations

import hashlib
import json
import socket

from gate import Gate
from samples import scrape
from server import Server, Starter, await_true

BODY = b"a body of a very slow client"


def test_a_body_byte_by_byte(single: Server) -> None:
    """Between any two of its bytes another client is answered."""
    with single.connect() as slow, single.connect() as other:
        slow.request("/digest", "POST", [("Content-Length", str(len(BODY)))])
        for byte in BODY:
            slow.send(bytes([byte]))
            assert other.ask("/hello").body == b"hello world\n"
        assert json.loads(slow.answer().body)["sha256"] == hashlib.sha256(BODY).hexdigest()


def test_a_chunked_body_byte_by_byte(single: Server) -> None:
    with single.connect() as slow, single.connect() as other:
        slow.request("/digest", "POST", [("Transfer-Encoding", "chunked")])
        for byte in BODY:
            for part in (b"1\r", b"\n", bytes([byte]), b"\r\n"):
                slow.send(part)
            assert other.ask("/hello").body == b"hello world\n"
        slow.send(b"0\r\n\r\n")
        assert json.loads(slow.answer().body)["length"] == len(BODY)


def test_a_head_byte_by_byte(single: Server) -> None:
    with single.connect() as slow, single.connect() as other:
        for byte in b"GET /hello?name=slow HTTP/1.1\r\nHost: x\r\n\r\n":
            slow.send(bytes([byte]))
            assert other.ask("/hello").body == b"hello world\n"
        assert slow.answer().body == b"hello slow\n"


def test_a_response_that_nobody_reads(single: Server, gate: Gate) -> None:
    """The application has given all of its 10 MiB before the client has read one byte."""
    with single.connect(receive_buffer=4096) as slow:
        slow.request(f"/big?mib=10&gate={gate.port}")
        gate.wait("closed")
        assert single.ask("/hello").body == b"hello world\n"
        answer = slow.answer()
    assert answer.complete
    assert answer.body == b"".join(bytes([n]) * (1 << 20) for n in range(10))


def test_many_slow_clients(single: Server, gate: Gate) -> None:
    uploads = [single.connect() for _ in range(50)]
    for slow in uploads:
        slow.request("/digest", "POST", [("Content-Length", "2")])
        slow.send(b"a")
    downloads = [single.connect(receive_buffer=4096) for _ in range(10)]
    for slow in downloads:
        slow.request(f"/big?mib=3&gate={gate.port}")
    for _ in downloads:
        gate.wait("closed")
    assert single.ask("/hello").status == 200
    for slow in uploads:
        slow.send(b"b")
        assert json.loads(slow.answer().body)["length"] == 2
        slow.sock.close()
    for slow in downloads:
        assert len(slow.answer().body) == 3 << 20
        slow.sock.close()


def test_a_window_of_next_to_nothing(start: Starter) -> None:
    """The kernel would cut all of it into tiny segments at once, 50 ms a megabyte on the one IO thread: it is given little."""
    server = start("edge:application", "--admin-bind", "127.0.0.1:0", "--threads", "1")
    with server.connect(receive_buffer=1) as slow:
        slow.request("/listed?kib=1024")
        head = slow.head()
        await_true(lambda: scrape(server).get("monopod_spooled_bytes_total") > 700 << 10, "it waits on our disk")
        assert server.ask("/hello").status == 200
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert slow.body(head) == (b"".join(bytes([n]) * (1 << 16) for n in range(16)), True)
