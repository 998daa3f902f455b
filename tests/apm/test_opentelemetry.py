"""Promise: OpenTelemetry's Flask and Django instrumentation works unchanged, by code and by `opentelemetry-instrument`."""

from __future__ import annotations

import re
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import page
from otlp import ERROR, SERVER, metrics, span
from receiver import Receiver
from server import Server, Starter, await_true

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CONTINUED = [("traceparent", f"00-{TRACE}-{PARENT}-01")]
# What the tests' own command line stands for in the page's.
BESIDE = Path(sys.executable).parent


@dataclass(frozen=True)
class Way:
    """How a framework is instrumented; with `target` in the page's command, or by its files in the page's code."""

    framework: str
    target: str
    by_command: bool = False
    files: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)


FLASK = {"order": "GET /order/<int:number>", "fails": "GET /fails/<int:number>"}
DJANGO = {"order": "GET order/<int:number>", "fails": "GET fails/<int:number>"}
WAYS = {
    "flask-by-code": Way("flask", "shop:app", files=("app.py",), names=FLASK),
    "flask-by-command": Way("flask", "app:app", by_command=True, names=FLASK),
    "django-by-code": Way("django", "mysite.wsgi", files=("mysite/wsgi.py",), names=DJANGO),
    "django-by-command": Way("django", "mysite.wsgi", by_command=True, names=DJANGO),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


def started(way: Way, start: Starter, receiver: Receiver, directory: Path, **env: str) -> Server:
    command = page.command("OpenTelemetry", way.target) if way.by_command else None
    files = {file: page.code("OpenTelemetry", file) for file in way.files}
    if way.framework == "flask" and not way.files:
        # The application of somebody who has not heard of OpenTelemetry.
        files["app.py"] = "from flask import Flask\n\napp = Flask(__name__)\n"
    env = {
        **(command.env if command else {"OTEL_SERVICE_NAME": "shop"}),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        **env,
    }
    return start(
        "shop:app" if way.framework == "flask" else way.target,
        "--threads",
        "4",
        cwd=page.project(directory / "project", files),
        env=env,
        within=tuple(str(BESIDE / word) for word in command.within) if command else (),
    )


def test_a_request_is_a_span_of_the_callers_trace(way: Way, start: Starter, receiver: Receiver, tmp_path: Path) -> None:
    server = started(way, start, receiver, tmp_path, OTEL_BSP_SCHEDULE_DELAY="50")
    assert server.ask("/order/5?page=2", headers=CONTINUED).body == b"order 5\n"
    # While the server runs: the exporter's own thread sends it.
    sent = receiver.wait(span("/order/5"), "the span")
    assert (sent.name, sent.kind, sent.service) == (way.names["order"], SERVER, "shop")
    assert (sent.trace, sent.parent) == (TRACE, PARENT)
    assert (sent.attributes["http.method"], sent.attributes["http.status_code"]) == ("GET", 200)
    assert sent.attributes["http.scheme"] == "http"
    assert sent.attributes["net.host.port"] == server.port
    record = server.wait_log('path="/order/5"')
    assert f"trace_id={TRACE}" in re.sub('"', "", record)
    # One without a caller begins a trace of its own.
    assert server.ask("/order/6").status == 200
    other = receiver.wait(span("/order/6"), "the second span")
    assert other.trace != TRACE
    assert not other.parent


def test_errors_and_streams(way: Way, start: Starter, receiver: Receiver, tmp_path: Path) -> None:
    server = started(way, start, receiver, tmp_path, OTEL_BSP_SCHEDULE_DELAY="50")
    assert server.ask("/fails/3", headers=CONTINUED).status == 500
    failed = receiver.wait(span("/fails/3"), "the span")
    assert (failed.name, failed.status, failed.trace) == (way.names["fails"], ERROR, TRACE)
    assert failed.attributes["http.status_code"] == 500
    assert server.ask("/stream/3", headers=CONTINUED).body == b"line 0\nline 1\nline 2\n"
    assert receiver.wait(span("/stream/3"), "the span").trace == TRACE


def test_requests_at_once_do_not_mix(way: Way, start: Starter, receiver: Receiver, tmp_path: Path) -> None:
    server = started(way, start, receiver, tmp_path, OTEL_BSP_SCHEDULE_DELAY="50")
    traces = {f"/together/{number}": f"{number + 1:032x}" for number in range(4)}
    clients = [server.connect() for _ in traces]
    for client, (path, trace) in zip(clients, traces.items(), strict=True):
        client.request(path, headers=[("traceparent", f"00-{trace}-{PARENT}-01")])
    for client in clients:
        assert client.answer().status == 200
        client.sock.close()
    for path, trace in traces.items():
        assert receiver.wait(span(path), path).trace == trace


def test_what_waits_at_sigterm_is_sent(way: Way, start: Starter, receiver: Receiver, tmp_path: Path) -> None:
    server = started(way, start, receiver, tmp_path, OTEL_BSP_SCHEDULE_DELAY="600000")
    for number in range(20):
        assert server.ask(f"/order/{number}").status == 200
    assert span("/order/19")(receiver.posts()) is None
    assert server.terminate(signal.SIGTERM) == 0
    for number in range(20):
        assert span(f"/order/{number}")(receiver.posts()), number
    if way.by_command:
        assert "http.server.duration" in metrics(receiver.posts())


def test_a_collector_that_is_away_costs_no_request(
    way: Way, start: Starter, receiver: Receiver, tmp_path: Path
) -> None:
    server = started(way, start, receiver, tmp_path, OTEL_BSP_SCHEDULE_DELAY="10", OTEL_EXPORTER_OTLP_TIMEOUT="1")
    with receiver.hold():
        assert server.ask("/order/1").status == 200
        receiver.wait(span("/order/1"), "the first span, which is not answered")
        for number in range(2, 12):
            assert server.ask(f"/order/{number}").status == 200
        server.send_signal(signal.SIGTERM)
        await_true(server.refuses, "new connections are refused")
    assert server.exit_code() == 0
