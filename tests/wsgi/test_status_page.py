"""Promise: the admin port's root is a page for browsers and a text for others; its numbers are those of the metrics."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest

from gate import Gate
from samples import Samples, scrape
from server import Server, Starter, await_true
from wire import Answer

ADMIN = ("--admin-bind", "127.0.0.1:0")
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.fixture(scope="module")
def server(start_once: Starter) -> Server:
    return start_once("lab:application", *ADMIN)


def page(server: Server, accept: str = CHROMIUM, method: str = "GET") -> Answer:
    return server.ask_admin("/", method, [("Accept", accept)])


def status(server: Server) -> dict[str, Any]:
    answer = server.ask_admin("/-/status.json")
    assert (answer.status, answer.get("content-type")) == (200, "application/json")
    told: dict[str, Any] = json.loads(answer.body)
    return told


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (CHROMIUM, "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("*/*", "text/plain; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html;q=0, */*", "text/plain; charset=utf-8"),
    ],
)
def test_who_wants_html_gets_the_page(server: Server, accept: str, kind: str) -> None:
    for method in ("GET", "HEAD"):
        answer = page(server, accept, method)
        assert (answer.status, answer.get("content-type"), answer.get("vary")) == (200, kind, "accept")
        assert answer.get("cache-control") == "no-store"


def test_the_page_may_run_itself_and_nothing_else(server: Server) -> None:
    nonces = set()
    for _ in range(2):
        answer = page(server)
        policy = dict(part.split(" ", 1) for part in f"{answer.get('content-security-policy')} ".split("; "))
        ((nonce,),) = [re.findall(r"'nonce-([0-9a-f]{32})'", policy["script-src"])]
        nonces.add(nonce)
        own = f"'nonce-{nonce}'"
        assert {name: value.strip() for name, value in policy.items()} == {
            "default-src": "'none'",
            "script-src": own,
            "style-src": own,
            "connect-src": "'self'",
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "",
        }
        assert answer.get("referrer-policy") == "no-referrer"
        assert answer.get("x-content-type-options") == "nosniff"
        html = answer.body.decode()
        assert html.count(f'nonce="{nonce}"') == html.count("<script") + html.count("<style") == 2
        # Nothing to load, and links that work behind a proxy's prefix.
        assert re.findall(r"\s(?:src|srcset|action)=", html) == []
        links = re.findall(r'href="([^"]*)"', html)
        assert all(link.startswith("data:") or server.ask_admin(f"/{link}").status == 200 for link in links)
    assert len(nonces) == 2


def test_its_numbers_are_those_of_the_metrics(start: Starter) -> None:
    server = start("lab:application", *ADMIN, "--threads", "2")
    for target in ("/hello", "/hello", "/nothing/here", "/raises?kind=ValueError&at=call"):
        server.ask(target)
    server.ask("/checksum", "POST", body=b"x" * 1000)
    await_true(lambda: scrape(server).get("monopod_connections") == 0, "all have ended")
    await_true(lambda: status(server)["threads"]["busy"] == 0, "and no thread looks for more any longer")
    now, told = scrape(server), status(server)
    assert told["requests"] == {
        "total": 5,
        "by_status": {"200": 3, "404": 1, "500": 1},
        "by_method": {"GET": 4, "POST": 1},
        "in_flight": 0,
    }
    assert told["faults"] == {"app-raised": 1}
    assert told["connections"] == {"open": 0, "max": now.get("monopod_connections_max"), "accepted": 5}
    assert told["connections"]["max"] > 5
    assert told["bodies"]["request_bytes"] == now.total("monopod_request_bytes_total") == 1000
    assert told["bodies"]["response_bytes"] == now.total("monopod_response_bytes_total")
    assert told["threads"] == {"busy": 0, "max": 2, "streaming": 0, "stuck": 0}
    for phase, count in (("queue", 5), ("app", 5), ("total", 5)):
        assert sum(told["durations"][phase]["buckets"]) == count == buckets(now, phase)
    assert len(told["durations"]["bounds_seconds"]) + 1 == len(told["durations"]["app"]["buckets"])
    ((build,),) = [now.labels("monopod_build_info")]
    assert {"version": told["version"], "python": told["python"]} == build
    assert told["process"]["resident_bytes"] > 10 << 20
    assert told["process"]["cpu_limit"] == now.get("monopod_cpu_limit") > 0
    later = status(server)
    assert later["uptime_seconds"] > told["uptime_seconds"] > 0
    assert later["started_seconds"] == told["started_seconds"]


def buckets(now: Samples, phase: str) -> float:
    return now.get("monopod_request_duration_seconds_bucket", phase=phase, le="+Inf")


def life(server: Server) -> tuple[str, str | None, str | None]:
    """As the page has it, which is as the metrics have it, when both were asked within one state."""
    told = status(server)
    while True:
        before, now = told, scrape(server)
        told = status(server)
        if all(before[name] == told[name] for name in ("phase", "not_ready", "not_live")):
            break
    phases = {labels["phase"]: now.get("monopod_life", **labels) for labels in now.labels("monopod_life")}
    assert {phase for phase, value in phases.items() if value == 1} == {told["phase"]}
    assert set(phases) == {"booting", "ready", "draining", "stopped"}
    assert now.get("monopod_ready") == (told["not_ready"] is None)
    return told["phase"], told["not_ready"], told["not_live"]


def test_from_the_import_to_the_drain(start: Starter, gate: Gate) -> None:
    server = start("slow_import:application", *ADMIN, env={"IMPORT_GATE": str(gate.port)}, ready="admin port on ")
    visitor = gate.wait("importing")
    assert page(server).status == 200
    assert life(server) == ("booting", "starting", None)
    visitor.let_through()
    server.wait_log("listening on ")
    assert life(server) == ("ready", None, None)


def test_while_it_is_full_and_while_it_drains(start: Starter, gate: Gate) -> None:
    server = start("lab:application", *ADMIN, "--threads", "1", "--queue-size", "1")
    with server.connect() as busy, server.connect() as waiting:
        busy.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        waiting.request("/hello")
        await_true(lambda: status(server)["queue"] == {"depth": 1, "capacity": 1}, "it waits in the queue")
        await_true(lambda: life(server) == ("ready", "queue-full", None), "a burst is over when it lasts for a second")
        server.send_signal(signal.SIGTERM)
        await_true(lambda: life(server) == ("draining", "draining", None), "it drains")
        visitor.let_through()
        assert busy.answer().status == waiting.answer().status == 200
    assert server.exit_code() == 0
