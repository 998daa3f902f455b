"""Promise: environ says what the request said, as PEP 3333 and RFC 3875 want it, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server import Server, Starter
from wire import Connection, Headers

VERSIONS = pytest.mark.parametrize("version", ["1.1", "1.0"])


def environ(server: Server, target: str = "/environ", method: str = "GET", headers: Headers = (), **rest: Any) -> Any:
    with server.connect() as client:
        client.request(target, method, headers, **rest)
        answer = client.answer(method)
    assert answer.status == 200, answer
    seen = json.loads(answer.body)
    assert seen["exact"]
    return seen["plain"]


def test_the_server_and_the_client(lab: Server) -> None:
    with lab.connect() as client:
        host, port = client.sock.getsockname()
        seen = json.loads(client.ask("/environ").body)["plain"]
    assert (seen["REMOTE_ADDR"], seen["REMOTE_PORT"]) == (host, str(port))
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("127.0.0.1", str(lab.port))
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert seen["SERVER_SOFTWARE"].startswith("monopod/")
    assert seen["wsgi.version"] == [1, 0]
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["wsgi.run_once"] is False
    assert seen["SCRIPT_NAME"] == ""


def test_http_1_0_says_so(lab: Server) -> None:
    seen = environ(lab, version="1.0", host=None)
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert "HTTP_HOST" not in seen


def test_multithread_and_multiprocess_are_truthful(lab: Server, single: Server) -> None:
    assert (environ(lab)["wsgi.multithread"], environ(lab)["wsgi.multiprocess"]) == (True, False)
    assert environ(single)["wsgi.multithread"] is False


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/environ", "/environ", ""),
        ("/environ?", "/environ", ""),
        ("/environ?a=1&b=%20+", "/environ", "a=1&b=%20+"),
        ("/environ?a=b?c", "/environ", "a=b?c"),
        ("/environ/a%20b", "/environ/a b", ""),
        ("/environ/%C3%A9", "/environ/\xc3\xa9", ""),
        ("/environ/%e2%82%ac", "/environ/\xe2\x82\xac", ""),
        ("/environ/%FF", "/environ/\xff", ""),
        ("/environ/a%2Fb", "/environ/a/b", ""),
        ("/environ/a%25b", "/environ/a%b", ""),
        ("/environ/a%3Fb", "/environ/a?b", ""),
        ("/environ/a;b=c", "/environ/a;b=c", ""),
        ("/environ/a+b", "/environ/a+b", ""),
        ("/environ//a///b", "/environ//a///b", ""),
        ("/environ/%zz", "/environ/%zz", ""),
        ("/environ/../environ/.", "/environ/../environ/.", ""),
    ],
)
def test_path_and_query(lab: Server, target: str, path: str, query: str) -> None:
    seen = environ(lab, target)
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == (path, query)
    assert seen["RAW_URI"] == target
    assert seen["REQUEST_URI"] == target


def test_raw_bytes_in_the_target_are_latin_1(lab: Server) -> None:
    """Browsers escape them; when a client does not, the answer is 400 or the bytes."""
    with lab.connect() as client:
        client.send(b"GET /environ/\xc3\xa9?q=\xff HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = client.answer()
    if answer.status == 200:
        seen = json.loads(answer.body)["plain"]
        assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/environ/\xc3\xa9", "q=\xff")
    else:
        assert answer.status == 400


def test_an_absolute_target(lab: Server) -> None:
    seen = environ(lab, "http://right.example/environ?x=1", host="wrong.example")
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/environ", "x=1")
    assert seen["HTTP_HOST"] == "right.example"


@VERSIONS
def test_headers_become_http_keys(lab: Server, version: str) -> None:
    headers = [("X-Simple", "a b"), ("x-LOWER-case", "c"), ("Accept", "*/*"), ("X-Empty", "")]
    seen = environ(lab, headers=headers, version=version)
    assert seen["HTTP_X_SIMPLE"] == "a b"
    assert seen["HTTP_X_LOWER_CASE"] == "c"
    assert seen["HTTP_ACCEPT"] == "*/*"
    assert seen["HTTP_X_EMPTY"] == ""
    assert seen["HTTP_HOST"] == "test.example"


@VERSIONS
def test_repeated_headers_are_joined(lab: Server, version: str) -> None:
    headers = [("X-Twice", "a"), ("Cookie", "a=1"), ("X-Other", "z"), ("X-Twice", "b, c"), ("Cookie", "b=2")]
    seen = environ(lab, headers=headers, version=version)
    assert seen["HTTP_X_TWICE"].replace(" ", "") == "a,b,c"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert seen["HTTP_X_OTHER"] == "z"


@VERSIONS
def test_names_that_could_be_forged_are_dropped(lab: Server, version: str) -> None:
    headers = [("X_Forwarded_For", "6.6.6.6"), ("X-Real_IP", "6.6.6.6"), ("Proxy", "http://evil"), ("X-Fine", "1")]
    seen = environ(lab, headers=headers, version=version)
    assert "6.6.6.6" not in seen.values()
    assert "HTTP_PROXY" not in seen
    assert seen["HTTP_X_FINE"] == "1"


@VERSIONS
def test_header_bytes_are_latin_1(lab: Server, version: str) -> None:
    # Every byte that a value may have, a tab within it too.
    text = "".join(map(chr, [*range(0x21, 0x7F), 9, *range(0x80, 0x100)]))
    assert environ(lab, headers=[("X-Bytes", text)], version=version)["HTTP_X_BYTES"] == text


@VERSIONS
@pytest.mark.parametrize("connection", ["close, X-Auth-User, Cookie", "X-Forwarded-For", "x-auth-user"])
def test_connection_takes_no_header_away(lab: Server, connection: str, version: str) -> None:
    """RFC 9110 §7.6.1 has intermediaries remove what Connection lists. An origin server that did would let a client take
    away what the proxy before it has added and passed on."""
    headers = [("Connection", connection), ("X-Auth-User", "me"), ("Cookie", "a=1"), ("X-Forwarded-For", "1.2.3.4")]
    seen = environ(lab, headers=headers, version=version)
    assert (seen["HTTP_X_AUTH_USER"], seen["HTTP_COOKIE"]) == ("me", "a=1")
    assert (seen["HTTP_X_FORWARDED_FOR"], seen["REMOTE_ADDR"]) == ("1.2.3.4", "1.2.3.4")
    assert seen["HTTP_CONNECTION"] == connection


def test_content_type_and_length(lab: Server) -> None:
    seen = environ(lab, method="POST", headers=[("Content-Type", "text/x; a=b")], body=b"12345")
    assert (seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"]) == ("text/x; a=b", "5")
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & seen.keys()
    assert seen["REQUEST_METHOD"] == "POST"
    empty = environ(lab, method="POST", body=b"")
    assert empty["CONTENT_LENGTH"] == "0"
    without = environ(lab)
    assert without.get("CONTENT_LENGTH", "") == ""
    assert without.get("CONTENT_TYPE", "") == ""


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "M-SEARCH", "get"])
def test_any_method_reaches_the_application_as_it_is(lab: Server, method: str) -> None:
    assert environ(lab, method=method)["REQUEST_METHOD"] == method


def test_nothing_of_the_operating_system_leaks(start: Starter) -> None:
    server = start("lab:application", env={"A_SECRET_OF_THE_POD": "1", "HTTP_PROXY": "http://proxy"})
    seen = json.loads(server.ask("/environ").body)
    assert seen["leaked"] == []
    assert "HTTP_PROXY" not in seen["plain"]


@pytest.mark.parametrize(
    ("target", "path"),
    [("/app/environ", "/environ"), ("/app/environ/app/environ", "/environ/app/environ"), ("/environ", "/environ")],
)
def test_root_path_is_the_script_name(rooted: Server, target: str, path: str) -> None:
    seen = environ(rooted, target)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/app", path)
    assert seen["RAW_URI"] == target


@pytest.fixture(scope="module")
def rooted(start_once: Starter) -> Server:
    return start_once("lab:application", "--root-path", "/app")


def test_over_a_unix_socket_the_entries_are_there(start: Starter, tmp_path: Any) -> None:
    server = start("lab:application", bind=(f"unix:{tmp_path}/s",))
    seen = json.loads(server.ask("/environ").body)["plain"]
    for name in ("REMOTE_ADDR", "SERVER_NAME", "SERVER_PORT"):
        assert isinstance(seen[name], str)
    assert seen["SERVER_NAME"]
    assert seen["SERVER_PORT"]


def test_requests_on_one_connection_do_not_mix(lab: Server) -> None:
    with lab.connect() as client:
        first = ask(client, [("X-First", "1")], b"body")
        second = ask(client, [("X-Second", "2")], None)
    assert first["HTTP_X_FIRST"] == "1"
    assert "HTTP_X_FIRST" not in second
    assert second.get("CONTENT_LENGTH", "") == ""


def ask(client: Connection, headers: Headers, body: bytes | None) -> Any:
    return json.loads(client.ask("/environ", "POST", headers, body).body)["plain"]
