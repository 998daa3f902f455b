"""Promise: start_response, write() and exc_info follow PEP 3333."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from gate import Gate
from server import Server


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("200 OK", 200, "OK"),
        ("200 Fine By Me", 200, "Fine By Me"),
        ("418 I'm a teapot", 418, "I'm a teapot"),
        ("404 Nicht gefunden: \xfc", 404, "Nicht gefunden: \xfc"),
        ("299 Own Code", 299, "Own Code"),
        ("799 Own Class", 799, "Own Class"),
        ("204 No Content", 204, "No Content"),
        ("304 Not Modified", 304, "Not Modified"),
    ],
)
def test_status_and_reason_are_kept(lab: Server, line: str, status: int, reason: str) -> None:
    with lab.connect() as client:
        answer = client.ask(f"/status?line={quote(line)}")
        assert (answer.status, answer.reason) == (status, reason)
        assert answer.body == (b"" if status in (204, 304) else b"body")
        assert client.ask("/hello").status == 200


def test_headers_are_kept_in_order_and_repeated(lab: Server) -> None:
    given = [["Set-Cookie", "a=1"], ["X-Latin", "\xe9"], ["Set-Cookie", "b=2"], ["Content-Language", "de"]]
    answer = lab.ask(f"/headers?set={quote(json.dumps(given))}")
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert answer.get("x-latin") == "\xe9"
    assert answer.get("content-language") == "de"
    assert answer.get("date")


def test_the_applications_own_date_and_server_win(lab: Server) -> None:
    given = [["Date", "Thu, 01 Jan 1970 00:00:00 GMT"], ["Server", "mine"]]
    answer = lab.ask(f"/headers?set={quote(json.dumps(given))}")
    assert answer.get("date") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert answer.get("server") == "mine"


@pytest.mark.parametrize(
    "name",
    ["Connection", "Keep-Alive", "Proxy-Authenticate", "TE", "Trailer", "Transfer-Encoding", "Upgrade"],
)
def test_hop_by_hop_headers_are_dropped_with_a_warning(lab: Server, name: str) -> None:
    value = "chunked" if name == "Transfer-Encoding" else "close" if name == "Connection" else "x"
    with lab.connect() as client:
        answer = client.ask(f"/headers?set={quote(json.dumps([[name, value]]))}")
        assert answer.body == b"body"
        assert answer.get(name.lower()) is None
        assert client.ask("/hello").status == 200
    assert "hop-by-hop" in lab.wait_log(f'header="{name.lower()}"')


def test_start_response_may_come_at_the_first_iteration(lab: Server) -> None:
    answer = lab.ask("/late")
    assert (answer.status, answer.body, answer.complete) == (202, b"late", True)


def test_write_comes_before_the_iterable(lab: Server) -> None:
    answer = lab.ask("/written")
    assert (answer.status, answer.body, answer.complete) == (200, b"one two three four", True)


@pytest.mark.parametrize("name", ["never", "never_and_empty", "twice"])
def test_a_wrong_number_of_calls_is_a_500(lab: Server, name: str) -> None:
    assert lab.ask(f"/{name}").status == 500
    assert lab.ask("/hello").status == 200


def test_exc_info_before_the_commit_replaces_the_head(lab: Server) -> None:
    answer = lab.ask("/replaced")
    assert (answer.status, answer.reason, answer.body) == (503, "Sorry", b"replaced")
    assert (answer.get("x-first"), answer.get("x-second")) == (None, "2")


def test_exc_info_after_the_commit_raises_and_aborts(lab: Server, gate: Gate) -> None:
    with lab.connect() as client:
        client.request(f"/too_late?gate={gate.port}")
        assert client.head().status == 200
        assert client.chunk() == b"half "
        gate.wait("half").let_through()
        assert client.is_closed()
    assert lab.wait_log("ValueError: after the commit")


@pytest.mark.parametrize("line", ["204 No Content", "304 Not Modified"])
def test_a_body_where_none_may_be_is_dropped(lab: Server, line: str) -> None:
    with lab.connect() as client:
        answer = client.ask(f"/bodiless_with_body?line={quote(line)}")
        assert answer.status == int(line[:3])
        assert answer.get("transfer-encoding") is None
        if answer.status == 204:
            assert answer.get("content-length") is None
        # Any byte of a body would be read as the next answer's status line.
        assert client.ask("/hello").body == b"hello world\n"
