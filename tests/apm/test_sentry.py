"""Promise: Sentry's SDK works unchanged: errors with their request, transactions, threads, and the flush at SIGTERM."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import page
from receiver import Post, Receiver
from server import Server, Starter, await_true

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CONTINUED = [("sentry-trace", f"{TRACE}-{PARENT}-1")]
# How each names its transactions: Flask's by the endpoint, Django's by the pattern.
NAMES = {"flask": "{view}", "django": "/{view}/{{number}}"}
Item = dict[str, Any]


def items(posts: list[Post], kind: str) -> list[Item]:
    """All of a kind in the envelopes (https://develop.sentry.dev/sdk/data-model/envelopes/)."""
    found = []
    for post in posts:
        assert post.path == "/api/7/envelope/", post.path
        assert "sentry_key=public" in post.headers["x-sentry-auth"]
        rest = post.body.partition(b"\n")[2]
        while rest.strip():
            head, _, rest = rest.partition(b"\n")
            header = json.loads(head)
            length = header.get("length", rest.find(b"\n"))
            payload, rest = rest[:length], rest[length + 1 :]
            if header["type"] == kind:
                found.append(json.loads(payload))
    return found


def error(text: str) -> Callable[[list[Post]], Item | None]:
    """The event of the exception that says `text`."""

    def look(posts: list[Post]) -> Item | None:
        events = [event for event in items(posts, "event") if event["exception"]["values"][-1]["value"] == text]
        assert len(events) < 2, events
        return events[0] if events else None

    return look


def transaction(url: str) -> Callable[[list[Post]], Item | None]:
    """The one of a request to a URL that ends with `url`."""

    def look(posts: list[Post]) -> Item | None:
        sent = items(posts, "transaction")
        return next((one for one in sent if one.get("request", {}).get("url", "").endswith(url)), None)

    return look


@pytest.fixture(params=["flask", "django"])
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(framework: str, start: Starter, receiver: Receiver, tmp_path: Path) -> Server:
    file, target = {"flask": ("app.py", "shop:app"), "django": ("mysite/settings.py", "mysite.wsgi")}[framework]
    project = page.project(tmp_path / "project", {file: page.code("Sentry", file)})
    env = {"SENTRY_DSN": f"http://public@127.0.0.1:{receiver.port}/7", "SENTRY_RELEASE": "shop@1"}
    return start(target, "--threads", "4", cwd=project, env=env)


def test_an_error_has_its_stack_and_its_request(server: Server, receiver: Receiver, framework: str) -> None:
    headers = [("X-Shop", "corner"), *CONTINUED]
    assert server.ask("/fails/3?page=2", headers=headers).status == 500
    event = receiver.wait(error("no order 3"), "the event")
    thrown = event["exception"]["values"][-1]
    assert thrown["type"] == "LookupError"
    assert thrown["mechanism"]["handled"] is False
    last = thrown["stacktrace"]["frames"][-1]
    assert (last["function"], last["vars"]["number"]) == ("fails", "3")
    assert "raise LookupError" in last["context_line"]
    asked = event["request"]
    assert (asked["method"], asked["url"]) == ("GET", "http://test.example/fails/3")
    assert asked["query_string"] == "page=2"
    assert {name.lower(): value for name, value in asked["headers"].items()}["x-shop"] == "corner"
    assert event["transaction"] == NAMES[framework].format(view="fails")
    assert event["contexts"]["trace"]["trace_id"] == TRACE
    assert event["release"] == "shop@1"


def test_a_transaction_goes_on_with_the_callers_trace(server: Server, receiver: Receiver, framework: str) -> None:
    assert server.ask("/order/5", headers=CONTINUED).body == b"order 5\n"
    sent = receiver.wait(transaction("/order/5"), "the transaction")
    trace = sent["contexts"]["trace"]
    assert (trace["trace_id"], trace["parent_span_id"], trace["op"]) == (TRACE, PARENT, "http.server")
    assert trace["status"] == "ok"
    assert sent["transaction"] == NAMES[framework].format(view="order")
    # Another one without a caller begins a trace of its own.
    assert server.ask("/order/6").status == 200
    other = receiver.wait(transaction("/order/6"), "the second transaction")["contexts"]["trace"]
    assert other["trace_id"] != TRACE
    assert not other.get("parent_span_id")


def test_a_streams_transaction(server: Server, receiver: Receiver) -> None:
    answer = server.ask("/stream/3", headers=CONTINUED)
    assert (answer.body, answer.complete) == (b"line 0\nline 1\nline 2\n", True)
    assert receiver.wait(transaction("/stream/3"), "the transaction")["contexts"]["trace"]["trace_id"] == TRACE


def test_an_error_in_a_thread_of_the_application(server: Server, receiver: Receiver) -> None:
    assert server.ask("/thread/4", headers=CONTINUED).status == 200
    event = receiver.wait(error("no order 4"), "the event")
    assert event["exception"]["values"][-1]["mechanism"]["type"] == "threading"
    assert event["contexts"]["trace"]["trace_id"] == TRACE
    assert event["request"]["url"].endswith("/thread/4")


def test_requests_at_once_do_not_mix(server: Server, receiver: Receiver) -> None:
    traces = {f"/together/{number}": f"{number + 1:032x}" for number in range(4)}
    clients = [server.connect() for _ in traces]
    for client, (path, trace) in zip(clients, traces.items(), strict=True):
        client.request(path, headers=[("sentry-trace", f"{trace}-{PARENT}-1")])
    for client in clients:
        assert client.answer().status == 200
        client.sock.close()
    for path, trace in traces.items():
        assert receiver.wait(transaction(path), path)["contexts"]["trace"]["trace_id"] == trace


def test_what_waits_at_sigterm_is_sent(server: Server, receiver: Receiver) -> None:
    with receiver.hold():
        assert server.ask("/fails/1").status == 500
        receiver.wait(error("no order 1"), "the first event")
        # Sentry's thread waits for its answer, so this one is in the queue.
        assert server.ask("/fails/2").status == 500
        server.send_signal(signal.SIGTERM)
        await_true(server.refuses, "new connections are refused")
        assert error("no order 2")(receiver.posts()) is None
    assert server.exit_code() == 0
    assert error("no order 2")(receiver.posts())
