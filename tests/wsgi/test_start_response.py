"""Promise: start_response, write() and exc_info follow PEP 3333."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from gate import Gate
from server import Server
from wire import Answer, Headers

VERSIONS: Any = pytest.mark.parametrize(
    ("version", "headers"),
    [("1.1", []), ("1.0", []), ("1.0", [("Connection", "keep-alive")])],
    ids=["1.1", "1.0", "1.0-keep-alive"],
)


def ask(server: Server, target: str, version: str, headers: Headers) -> Answer:
    """An answer, and that its connection goes on or ends as it says."""
    with server.connect() as client:
        client.request(target, headers=headers, version=version)
        answer = client.answer()
        assert answer.version == f"HTTP/{version}"
        if version == "1.0" and not headers:
            assert client.is_closed()
        else:
            assert answer.get("connection") == (None if version == "1.1" else "keep-alive")
            client.request("/hello", headers=headers, version=version)
            assert client.answer().body == b"hello world\n"
        return answer


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


@VERSIONS
def test_headers_are_kept_in_order_and_repeated(lab: Server, version: str, headers: Headers) -> None:
    given = [["Set-Cookie", "a=1"], ["X-Latin", "\xe9"], ["Set-Cookie", "b=2"], ["Content-Language", "de"]]
    answer = ask(lab, f"/headers?set={quote(json.dumps(given))}", version, headers)
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert answer.get("x-latin") == "\xe9"
    assert answer.get("content-language") == "de"
    assert answer.get("date")


def test_the_applications_own_date_and_server_win(lab: Server) -> None:
    given = [["Date", "Thu, 01 Jan 1970 00:00:00 GMT"], ["Server", "mine"]]
    answer = lab.ask(f"/headers?set={quote(json.dumps(given))}")
    assert answer.get("date") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert answer.get("server") == "mine"


@VERSIONS
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Connection", "close"),
        ("Connection", "keep-alive"),
        ("Connection", "Upgrade"),
        ("Connection", "X-Kept"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authorization", "Basic x"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Trailer", "X-Later"),
        ("Trailers", "X-Later"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("Upgrade", "websocket"),
    ],
)
def test_hop_by_hop_headers_are_dropped_with_a_warning(
    lab: Server, name: str, value: str, version: str, headers: Headers
) -> None:
    answer = ask(lab, f"/headers?set={quote(json.dumps([[name, value], ['X-Kept', '1']]))}", version, headers)
    assert (answer.body, answer.complete, answer.get("x-kept")) == (b"body", True, "1")
    if name != "Connection":
        assert answer.get(name.lower()) is None
    assert "hop-by-hop" in lab.wait_log(f'header="{name.lower()}"')


@VERSIONS
def test_header_values_are_latin_1(lab: Server, version: str, headers: Headers) -> None:
    text = "".join(map(chr, [*range(0x21, 0x7F), 9, *range(0x80, 0x100)]))
    answer = ask(lab, f"/headers?set={quote(json.dumps([['X-Bytes', text]]))}", version, headers)
    assert answer.get("x-bytes") == text


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
