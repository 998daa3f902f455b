"""Promise: a complete response reaches the client at once, while the application still closes it or does what comes
after its last byte."""

from __future__ import annotations

import time

import pytest

from gate import Gate
from server import Server, Starter, await_true


@pytest.fixture(scope="module")
def server(start_once: Starter) -> Server:
    return start_once("edge:application", "--threads", "1")


@pytest.mark.parametrize(
    ("method", "shape"),
    [
        ("GET", "as=list"),
        ("GET", "as=one"),
        ("GET", "as=several"),
        ("GET", "as=generator"),
        ("GET", "as=list&unsized=1"),
        ("GET", "as=one&unsized=1"),
        # A generator need not be asked for more than HEAD wants, so nothing would come to the gate.
        ("HEAD", "as=list"),
        ("HEAD", "as=one"),
        ("HEAD", "as=one&unsized=1"),
    ],
)
def test_the_answer_is_there_before_the_close(server: Server, gate: Gate, method: str, shape: str) -> None:
    with server.connect() as client:
        client.request(f"/held?{shape}&gate={gate.port}", method)
        answer = client.answer(method)
        assert (answer.status, answer.complete) == (200, True)
        assert answer.body == (b"" if method == "HEAD" else b"whole")
        visitor = gate.wait("close")
        # The connection is free for the next request, which the only thread takes up after the close.
        client.request("/hello")
        visitor.let_through()
        assert client.answer().body == b"hello world\n"


@pytest.mark.parametrize("shape", ["as=list", "as=one", "as=several", "as=generator", "as=one&unsized=1"])
def test_the_answer_does_not_wait_for_what_computes(server: Server, gate: Gate, shape: str) -> None:
    with server.connect() as client:
        began = time.monotonic()
        client.request(f"/held?{shape}&spin=1&gate={gate.port}")
        assert client.answer().body == b"whole"
        assert time.monotonic() - began < 1
        gate.wait("close")
    assert server.ask("/hello").status == 200


def test_a_connection_that_is_to_close_closes_before_the_close(server: Server, gate: Gate) -> None:
    with server.connect() as client:
        client.request(f"/held?as=one&gate={gate.port}", headers=[("Connection", "close")])
        assert client.answer().body == b"whole"
        assert client.is_closed()
    gate.wait("close").let_through()
    assert server.ask("/hello").status == 200


def test_an_answer_does_not_wait_for_the_next_request_of_its_thread(server: Server, gate: Gate) -> None:
    with server.connect() as first, server.connect() as second:
        first.request(f"/hello?name=first&gate={gate.port}")
        visitor = gate.wait("hello")
        second.request(f"/hello?name=second&gate={gate.port}")
        visitor.let_through()
        held = gate.wait("hello")
        assert first.answer().body == b"hello first\n"
        held.let_through()
        assert second.answer().body == b"hello second\n"


@pytest.mark.parametrize("shape", ["as=list", "as=one", "as=several", "as=generator", "as=one&unsized=1"])
def test_its_connection_goes_on_with_another_thread(start: Starter, gate: Gate, shape: str) -> None:
    server = start("edge:application", "--threads", "2")
    with server.connect() as client:
        assert client.ask(f"/held?{shape}&gate={gate.port}").body == b"whole"
        visitor = gate.wait("close")
        assert client.ask("/hello").body == b"hello world\n"
        visitor.let_through()


@pytest.mark.parametrize("page", ["held?as=one&spin=1", "held?as=generator&spin=1", "spin?after"])
def test_answers_of_a_busy_queue_do_not_wait_either(server: Server, gate: Gate, page: str) -> None:
    """The thread finds all of them in the queue when it comes back from another request."""
    with server.connect() as busy, server.connect() as quick, server.connect() as computing:
        busy.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        # One after the other: the answer that needs no thread tells that the requests before it were read.
        for client, path in ((quick, "/hello?name=quick"), (computing, f"/{page}&gate={gate.port}")):
            client.request(path)
            assert server.ask("/hello", headers=[("Transfer-Encoding", "nonsense")]).status in (400, 501)
        began = time.monotonic()
        visitor.let_through()
        assert quick.answer().body == b"hello quick\n"
        if page.startswith("held"):
            assert computing.answer().body == b"whole"
        assert time.monotonic() - began < 1
        gate.wait("close" if page.startswith("held") else "computes")
        assert busy.answer().status == 200


def test_the_record_of_a_response_held_in_its_close_says_complete(start: Starter, gate: Gate) -> None:
    server = start("edge:application", "--threads", "1")
    assert server.ask(f"/held?as=generator&gate={gate.port}").complete
    visitor = gate.wait("close")
    await_true(lambda: 'path="/held"' in server.log(), "the access record, before the close")
    assert "complete=true" in server.wait_log('path="/held"')
    visitor.let_through()
    assert server.ask("/hello").status == 200
