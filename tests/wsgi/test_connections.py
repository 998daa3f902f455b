"""Promise: connections are kept, closed and pipelined as HTTP/1.1 and HTTP/1.0 want it."""

from __future__ import annotations

import pytest

from gate import Gate
from server import Server


def test_keep_alive(lab: Server) -> None:
    with lab.connect() as client:
        for number in range(20):
            answer = client.ask(f"/hello?name={number}")
            assert answer.body == f"hello {number}\n".encode()
            assert answer.get("connection") != "close"


def test_connection_close(lab: Server) -> None:
    with lab.connect() as client:
        answer = client.ask("/hello", headers=[("Connection", "close")])
        assert answer.get("connection") == "close"
        assert client.is_closed()


def test_http_1_0_closes(lab: Server) -> None:
    with lab.connect() as client:
        client.request("/hello", version="1.0")
        assert client.answer().body == b"hello world\n"
        assert client.is_closed()


def test_http_1_0_keep_alive(lab: Server) -> None:
    with lab.connect() as client:
        for _ in range(2):
            client.request("/hello", headers=[("Connection", "keep-alive")], version="1.0")
            answer = client.answer()
            assert answer.body == b"hello world\n"
            assert (answer.get("connection") or "").lower() == "keep-alive"


def test_pipelined_requests_are_answered_in_order(lab: Server) -> None:
    with lab.connect() as client:
        for number in range(50):
            client.request(f"/hello?name={number}", "POST" if number % 2 else "GET", body=b"x" * number or None)
        for number in range(50):
            assert client.answer().body == f"hello {number}\n".encode()


def test_a_slow_first_of_a_pipeline_keeps_its_place(lab: Server, gate: Gate) -> None:
    with lab.connect() as client:
        client.request(f"/hello?name=slow&gate={gate.port}")
        client.request("/hello?name=fast")
        visitor = gate.wait("hello")
        assert lab.ask("/hello").status == 200
        visitor.let_through()
        assert client.answer().body == b"hello slow\n"
        assert client.answer().body == b"hello fast\n"


def test_an_answer_does_not_wait_for_the_rest_of_the_next_request(lab: Server) -> None:
    with lab.connect() as client:
        client.send(b"GET /hello?name=first HTTP/1.1\r\nHost: x\r\n\r\nGET /hello?name=second HT")
        assert client.answer().body == b"hello first\n"
        client.send(b"TP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer().body == b"hello second\n"


def test_a_stream_does_not_wait_behind_a_pipelined_request(lab: Server, gate: Gate) -> None:
    with lab.connect() as client:
        client.request(f"/stream?gate={gate.port}")
        client.request("/hello?name=next")
        assert client.head().status == 200
        for word in ("one", "two", "three"):
            assert client.chunk() == word.encode()
            gate.wait(word).let_through()
        assert client.chunk() == b""
        assert client.answer().body == b"hello next\n"


@pytest.mark.parametrize(
    "garbage",
    [b"nonsense\r\n\r\n", b"GET /hello HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"],
)
def test_garbage_is_answered_400(lab: Server, garbage: bytes) -> None:
    with lab.connect() as client:
        client.send(garbage)
        assert client.answer().status in (400, 505)
        assert client.is_closed()
    assert lab.ask("/hello").status == 200


def test_many_connections_at_once(lab: Server) -> None:
    clients = [lab.connect() for _ in range(60)]
    for number, client in enumerate(clients):
        client.request(f"/hello?name={number}")
    for number, client in enumerate(clients):
        assert client.answer().body == f"hello {number}\n".encode()
        client.sock.close()
