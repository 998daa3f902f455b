"""Promise: a body over --max-body-size is answered 413, before a byte of it is read when its length is announced."""

from __future__ import annotations

import json

import pytest

from server import Server, Starter

LIMIT = 1 << 20


@pytest.fixture(scope="module")
def limited(start_once: Starter) -> Server:
    return start_once("lab:application", "--max-body-size", "1m", "--threads", "1")


def test_a_body_of_exactly_the_limit_passes(limited: Server) -> None:
    assert json.loads(limited.ask("/digest", "POST", body=bytes(LIMIT)).body)["length"] == LIMIT


def test_an_announced_one_is_refused_before_it_is_sent(limited: Server) -> None:
    with limited.connect() as client:
        client.request("/digest", "POST", [("Content-Length", str(LIMIT + 1))])
        answer = client.answer()
        assert (answer.status, answer.get("connection")) == (413, "close")
        assert client.is_closed()


def test_expect_continue_is_refused_without_100(limited: Server) -> None:
    with limited.connect() as client:
        client.request("/digest", "POST", [("Content-Length", str(LIMIT + 1)), ("Expect", "100-continue")])
        assert client.head().status == 413


def test_expect_continue_within_the_limit(limited: Server) -> None:
    with limited.connect() as client:
        client.request("/digest", "POST", [("Content-Length", "5"), ("Expect", "100-continue")])
        assert client.head().status == 100
        client.send(b"hello")
        assert json.loads(client.answer().body)["length"] == 5


def test_a_chunked_one_is_refused_when_it_passes_the_limit(limited: Server) -> None:
    with limited.connect() as client:
        client.request("/digest", "POST", [("Transfer-Encoding", "chunked")])
        chunk = b"%x\r\n%s\r\n" % (1 << 16, bytes(1 << 16))
        for _ in range(17):
            client.send(chunk)
        assert client.head().status == 413


def test_the_server_lives_on_while_a_client_keeps_sending(limited: Server) -> None:
    """The client that ignores the refusal gets it nevertheless, unless its own sending failed first."""
    with limited.connect() as client:
        client.request("/digest", "POST", [("Content-Length", str(64 * LIMIT))])
        try:
            for _ in range(64):
                client.send(bytes(LIMIT))
        except OSError:
            pass
        else:
            assert client.head().status == 413
    assert limited.ask("/hello").status == 200
