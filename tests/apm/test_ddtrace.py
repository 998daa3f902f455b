"""Promise: Datadog's tracer works unchanged, by `ddtrace-run` and by `import ddtrace.auto`, for Flask and Django."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import page
from agent import agent, span, spans
from receiver import Receiver
from server import Server, Starter

TRACE, PARENT = 0xA3CE929D0E0E4736, 0x00F067AA0BA902B7
CONTINUED = [
    ("x-datadog-trace-id", str(TRACE)),
    ("x-datadog-parent-id", str(PARENT)),
    ("x-datadog-sampling-priority", "1"),
]
BESIDE = Path(sys.executable).parent
NAMES = {"flask": "flask.request", "django": "django.request"}
RESOURCES = {"flask": "GET /{view}/<int:number>", "django": "GET {view}/<int:number>"}
# No word to Datadog itself, and none from the agent that would steer the tracer.
QUIET = {"DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false", "DD_REMOTE_CONFIGURATION_ENABLED": "false"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with agent() as receiver:
        yield receiver


@pytest.fixture(params=["flask", "django"])
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def interval() -> str:
    """Seconds between two parcels for the agent."""
    return "0.1"


@pytest.fixture(params=["command", "import"])
def server(
    request: pytest.FixtureRequest,
    framework: str,
    interval: str,
    start: Starter,
    receiver: Receiver,
    tmp_path: Path,
) -> Server:
    within: tuple[str, ...] = ()
    files = {}
    env = {"DD_SERVICE": "shop"}
    if request.param == "command":
        command = page.command("Datadog", "app:app")
        within = tuple(str(BESIDE / word) for word in command.within)
        env = command.env
        if framework == "flask":
            files["app.py"] = "from flask import Flask\n\napp = Flask(__name__)\n"
    else:
        file = {"flask": "app.py", "django": "mysite/wsgi.py"}[framework]
        files[file] = page.code("Datadog", file)
    return start(
        {"flask": "shop:app", "django": "mysite.wsgi"}[framework],
        "--threads",
        "4",
        cwd=page.project(tmp_path / "project", files),
        env={**env, **QUIET, "DD_TRACE_AGENT_URL": receiver.url, "DD_TRACE_WRITER_INTERVAL_SECONDS": interval},
        within=within,
    )


def test_a_request_is_a_span_of_the_callers_trace(server: Server, receiver: Receiver, framework: str) -> None:
    assert server.ask("/order/5", headers=CONTINUED).body == b"order 5\n"
    sent = receiver.wait(span(NAMES[framework], "/order/5"), "the span")
    assert (sent.trace, sent.parent) == (TRACE, PARENT)
    assert (sent.service, sent.kind, sent.error) == ("shop", "web", 0)
    assert sent.resource == RESOURCES[framework].format(view="order")
    assert (sent.tags["http.method"], sent.tags["http.status_code"]) == ("GET", "200")
    # One without a caller begins a trace of its own.
    assert server.ask("/order/6").status == 200
    other = receiver.wait(span(NAMES[framework], "/order/6"), "the second span")
    assert other.trace != TRACE
    assert other.parent == 0


def test_errors_and_streams(server: Server, receiver: Receiver, framework: str) -> None:
    assert server.ask("/fails/3", headers=CONTINUED).status == 500
    failed = receiver.wait(span(NAMES[framework], "/fails/3"), "the span")
    assert (failed.error, failed.tags["http.status_code"], failed.trace) == (1, "500", TRACE)
    thrown = [span for span in spans(receiver.posts()) if "LookupError" in span.tags.get("error.type", "")]
    assert any("no order 3" in span.tags["error.stack"] for span in thrown), thrown
    assert server.ask("/stream/3", headers=CONTINUED).body == b"line 0\nline 1\nline 2\n"
    assert receiver.wait(span(NAMES[framework], "/stream/3"), "the span").trace == TRACE


def test_requests_at_once_do_not_mix(server: Server, receiver: Receiver, framework: str) -> None:
    traces = {f"/together/{number}": TRACE + number for number in range(4)}
    clients = [server.connect() for _ in traces]
    for client, (path, trace) in zip(clients, traces.items(), strict=True):
        client.request(path, headers=[("x-datadog-trace-id", str(trace)), *CONTINUED[1:]])
    for client in clients:
        assert client.answer().status == 200
        client.sock.close()
    for path, trace in traces.items():
        assert receiver.wait(span(NAMES[framework], path), path).trace == trace


@pytest.mark.parametrize("interval", ["600"])
def test_what_waits_at_sigterm_is_sent(server: Server, receiver: Receiver, framework: str) -> None:
    for number in range(20):
        assert server.ask(f"/order/{number}").status == 200
    assert spans(receiver.posts()) == []
    assert server.terminate(signal.SIGTERM) == 0
    for number in range(20):
        assert span(NAMES[framework], f"/order/{number}")(receiver.posts()), number
