"""Promise: Content-Length is set where the length is known, and held to where the application sets it."""

from __future__ import annotations

import pytest

from server import Server


@pytest.mark.parametrize("path", ["/closing", "/parts", "/late", "/written", "/hello"])
def test_head_is_get_without_the_body(lab: Server, path: str) -> None:
    with lab.connect() as client:
        answer = client.ask(path, "HEAD")
        assert answer.status == client.ask(path).status
        assert answer.get("transfer-encoding") is None
        assert client.ask("/hello").body == b"hello world\n"


def test_head_has_the_length_of_get(lab: Server) -> None:
    assert lab.ask("/hello", "HEAD").get("content-length") == "12"
    assert lab.ask("/parts", "HEAD").get("content-length") == "13"


def test_a_list_gets_its_length(lab: Server) -> None:
    answer = lab.ask("/parts")
    assert (answer.get("content-length"), answer.body) == ("13", b"one two three")


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize(
    ("declared", "chunk"), [(100, 1), (100, 7), (100, 100), (100, 300), (500_000, 1000), (500_000, 600_000)]
)
def test_more_than_declared_is_cut(lab: Server, declared: int, chunk: int, kind: str) -> None:
    with lab.connect() as client:
        answer = client.ask(f"/sized?declared={declared}&sent={declared + 50}&chunk={chunk}&as={kind}")
        assert answer.body == b"x" * declared
        # What was cut must not turn up as the next answer.
        assert client.ask("/hello").body == b"hello world\n"
    assert "app-long-body" in lab.wait_log("app-long-body")


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize(("sent", "chunk"), [(0, 1), (50, 50), (50, 7), (99, 100)])
def test_less_than_declared_closes_the_connection(lab: Server, sent: int, chunk: int, kind: str) -> None:
    with lab.connect() as client:
        client.request(f"/sized?declared=100&sent={sent}&chunk={chunk}&as={kind}")
        client.request("/hello?name=never")
        answer = client.whole_or_part()
        if answer and answer.status != 500:
            assert (answer.get("content-length"), answer.complete) == ("100", False), answer
            # Not a byte of the next answer fills the gap.
            assert answer.body == b"x" * len(answer.body)
    assert lab.ask("/hello").status == 200
