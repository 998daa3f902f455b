"""Promise: a body over --max-body-size, that of its path, is answered 413, before a byte of it is read when its length is
announced."""

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


@pytest.fixture(scope="module")
def by_path(start_once: Starter) -> Server:
    sizes = ("10", "/digest=100", "/digest/large=1m", "/caf\u00e9=50")
    options = [part for size in sizes for part in ("--max-body-size", size)]
    return start_once("lab:application", "--threads", "1", "--root-path", "/app", *options)


def limit_at(server: Server, target: str) -> int:
    """The largest announced body that is not refused: one of those that the server was given."""
    for size in (10, 50, 100, LIMIT):
        with server.connect() as client:
            client.request(target, "POST", [("Content-Length", str(size + 1)), ("Expect", "100-continue")])
            if client.head().status == 413:
                return size
    raise AssertionError(f"no limit at {target}")


@pytest.mark.parametrize(
    ("target", "limit"),
    [
        ("/", 10),
        ("/other", 10),
        ("/digest", 100),
        ("/digest/", 100),
        ("/digest?a=/digest/large", 100),
        ("/digest/x", 100),
        ("/digests", 10),
        ("/digest/large", LIMIT),
        ("/digest/large/x", LIMIT),
        ("/digest/larger", 100),
        # As the application sees it: below the root path, decoded once.
        ("/app/digest", 100),
        ("/app/app/digest", 10),
        ("/apple/digest", 10),
        ("http://test.example/app/digest", 100),
        ("/%64igest/l%61rge", LIMIT),
        ("/digest%2Flarge", LIMIT),
        ("/digest/larg%65r", 100),
        ("/%2564igest", 10),
        ("/caf%C3%A9", 50),
        ("/caf%E9", 10),
        ("/digest%00/large", 10),
        # What the application does not take for the prefix has none of its limit.
        ("//digest/large", 10),
        ("/./digest/large", 10),
        ("/DIGEST", 10),
        ("/other/../digest/large", 10),
    ],
)
def test_a_prefix_has_a_limit_of_its_own(by_path: Server, target: str, limit: int) -> None:
    assert limit_at(by_path, target) == limit


def test_a_path_that_goes_up_again_is_judged_as_it_is_routed(by_path: Server) -> None:
    """PATH_INFO keeps its dots, so it is below the prefix for both."""
    answer = by_path.ask("/digest/../x", "POST", body=bytes(100))
    assert json.loads(answer.body)["length"] == 100


def test_a_chunked_one_has_the_limit_of_its_prefix(by_path: Server) -> None:
    def chunked(target: str, size: int) -> int:
        with by_path.connect() as client:
            client.request(target, "POST", [("Transfer-Encoding", "chunked")])
            client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (size, bytes(size)))
            return client.answer().status

    assert [chunked("/digest", size) for size in (100, 101)] == [200, 413]
    assert [chunked("/digest/large", size) for size in (101, LIMIT)] == [200, 200]
    assert chunked("/hello", 11) == 413
