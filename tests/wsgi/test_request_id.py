"""Promise: each request has one name, which a trusted proxy may give it: in environ, in the access record, on the page of
a failure, and with the traceback. The trace that it belongs to is in the record too."""

from __future__ import annotations

import json
import re

import pytest

from records import JSON, found, wait, wait_access
from server import Server, Starter
from wire import Answer, Headers

MADE = re.compile("[0-9a-f]{32}")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


def named(answer: Answer) -> str:
    assert answer.status == 200
    return str(json.loads(answer.body)["monopod.request_id"])


def given(server: Server, *ids: str) -> str:
    """The name of a request that comes with `ids`, which the header's variable has too."""
    headers: Headers = [("X-Request-ID", value) for value in ids]
    answer = server.ask("/hello", headers=headers)
    assert json.loads(answer.body)["HTTP_X_REQUEST_ID"] == named(answer)
    return named(answer)


def test_a_trusted_proxy_names_requests(start: Starter) -> None:
    server = start("logs:application", *JSON)
    names = ["4e-a_b.c:1", "Root=1-67891233-abcdef012345678912345678", "x" * 128]
    assert [given(server, name) for name in names] == names
    wait(server, target="monopod::access", request_id=names[2])
    assert [record["request_id"] for record in found(server, target="monopod::access")] == names


@pytest.mark.parametrize("value", ["", "a b", 'a"b', "a\\b", "<a>", "\xe9", "\x85", "x" * 129])
def test_a_name_that_is_not_fit_is_replaced(lab_of_logs: Server, value: str) -> None:
    assert MADE.fullmatch(given(lab_of_logs, value))


def test_two_names_are_none(lab_of_logs: Server) -> None:
    assert MADE.fullmatch(given(lab_of_logs, "one", "other"))


def test_nobody_else_names_requests(start: Starter) -> None:
    server = start("logs:application", "--forwarded-allow-ips", "none", *JSON)
    name = given(server, "forged")
    assert MADE.fullmatch(name)
    assert wait_access(server, "/hello")["request_id"] == name


def test_every_request_has_a_name_of_its_own(lab_of_logs: Server) -> None:
    with lab_of_logs.connect() as client:
        names = [named(client.ask("/hello")) for _ in range(50)]
    assert all(MADE.fullmatch(name) for name in names)
    assert len(set(names)) == 50
    answer = lab_of_logs.ask("/hello")
    assert json.loads(answer.body)["HTTP_X_REQUEST_ID"] is None, (
        "there is no header, so there is no variable (PEP 3333)"
    )
    assert answer.get("x-request-id") is None, "what a response says is the application's business"


@pytest.mark.parametrize("access", ["--access-log", "--no-access-log"])
@pytest.mark.parametrize("headers", [[], [("X-Request-ID", "from-the-proxy")]], ids=["made", "given"])
def test_a_failure_is_found_by_the_page(start: Starter, access: str, headers: Headers) -> None:
    server = start("logs:application", access, *JSON)
    answer = server.ask("/raises", headers=headers)
    assert answer.status == 500
    first, second = answer.body.decode().splitlines()
    assert first == "500 Internal Server Error"
    name = second.removeprefix("request id: ")
    assert name == "from-the-proxy" if headers else MADE.fullmatch(name)
    assert answer.get("x-request-id") == name
    record = wait(server, reason="app-raised", level="ERROR")
    assert (record["request_id"], record["method"], record["path"]) == (name, "GET", "/raises")
    assert "ValueError: first" in record["exception"]
    if access == "--access-log":
        assert wait_access(server, "/raises")["request_id"] == name


def test_head_has_the_name_too(lab_of_logs: Server) -> None:
    answer = lab_of_logs.ask("/raises", "HEAD", [("X-Request-ID", "of-head")])
    assert (answer.status, answer.get("x-request-id"), answer.body) == (500, "of-head", b"")


def test_what_is_refused_is_not_named(lab_of_logs: Server) -> None:
    answer = lab_of_logs.ask("/hello", headers=[("Content-Length", "x")])
    assert (answer.status, answer.get("x-request-id"), answer.body) == (400, None, b"400 Bad Request\n")


def test_complaints_have_the_name(start: Starter) -> None:
    server = start("logs:application", *JSON)
    server.ask("/complains", headers=[("X-Request-ID", "complaining")])
    assert wait(server, target="monopod::wsgi.errors", message="a complaint")["request_id"] == "complaining"


def test_the_trace_is_told_and_handed_on(start: Starter) -> None:
    server = start("logs:application", *JSON)
    for value in (TRACEPARENT, TRACEPARENT.upper(), "nonsense"):
        answer = server.ask("/hello", headers=[("traceparent", value), ("X-Request-ID", value[:9])])
        assert json.loads(answer.body)["HTTP_TRACEPARENT"] == value
    valid, *others = (
        wait(server, target="monopod::access", request_id=value) for value in (TRACEPARENT[:9], "nonsense")
    )
    assert (valid["trace_id"], valid["span_id"]) == (TRACE, SPAN)
    assert all("trace_id" not in record and "span_id" not in record for record in others)


@pytest.fixture(scope="module")
def lab_of_logs(start_once: Starter) -> Server:
    return start_once("logs:application")
