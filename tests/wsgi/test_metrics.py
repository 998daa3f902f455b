"""Promise: the metrics say what happened, each request and each fault once, in text that Prometheus reads."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from gate import Gate
from samples import Samples, scrape
from server import Face, Server, Starter, await_true
from wire import TIMEOUT

ADMIN = ("--admin-bind", "127.0.0.1:0")
HOST = b"Host: a\r\n"
REQUESTS, FAULTS = "monopod_requests_total", "monopod_faults_total"
COUNT = "monopod_request_duration_seconds_count"


@pytest.fixture(scope="module")
def counted(start_once: Starter) -> Server:
    """With limits that are quickly reached."""
    return start_once(
        "lab:application",
        *(*ADMIN, "--threads", "2", "--max-body-size", "1000", "--write-timeout", "1"),
        *("--header-timeout", "1", "--body-timeout", "1"),
    )


def grown(server: Server, before: Samples, *names: str) -> dict[tuple[str, ...], float]:
    return scrape(server).since(before, *names)


def await_faults(server: Server, before: Samples, expected: dict[tuple[str, ...], float]) -> None:
    """For faults that no answer tells of; no others may come with them."""
    deadline = time.monotonic() + TIMEOUT
    while (faults := grown(server, before, FAULTS)) != expected:
        assert time.monotonic() < deadline, f"{faults} instead of {expected}"
        time.sleep(0.01)


def test_a_known_series_adds_up(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a file\n")
    server = start("lab:application", *ADMIN, "--threads", "2", "--static", f"/static={tmp_path}")
    before = scrape(server)
    upload = b"x" * 5000
    bodies = 0
    with server.connect() as client:
        for target, method, body in [
            *[("/hello", "GET", None)] * 3,
            ("/hello", "HEAD", None),
            ("/hello", "BREW", None),
            ("/checksum", "POST", upload),
            ("/nothing/here", "GET", None),
            ("/status?line=204%20No%20Content", "PUT", b"y"),
            ("/static/a.txt", "GET", None),
            ("/static/b.txt", "GET", None),
            ("/static/a.txt", "POST", None),
        ]:
            answer = client.ask(target, method, body=body)
            bodies += len(answer.body)
        etag = client.ask("/static/a.txt", "HEAD").get("etag") or ""
        assert client.ask("/static/a.txt", headers=[("If-None-Match", etag)]).status == 304
        after = scrape(server)
        assert after.get("monopod_connections") == 1
    assert after.since(before, REQUESTS) == {
        ("GET", "200"): 4,
        ("HEAD", "200"): 2,
        ("OTHER", "200"): 1,
        ("POST", "200"): 1,
        ("GET", "404"): 2,
        ("PUT", "204"): 1,
        ("POST", "405"): 1,
        ("GET", "304"): 1,
    }
    assert after.since(before, COUNT) == {("total",): 13, ("queue",): 8, ("app",): 8}
    assert after.get("monopod_request_duration_seconds_bucket", phase="total", le="+Inf") == 13
    assert 0 < after.get("monopod_request_duration_seconds_sum", phase="total") < 60
    assert after.total("monopod_request_bytes_total") == len(upload) + 1
    assert after.total("monopod_response_bytes_total") == bodies
    assert after.total("monopod_static_hits_total") == 3
    assert after.total("monopod_connections_accepted_total") == 1
    assert after.total("monopod_requests_in_flight") == 0
    assert after.since(before, FAULTS) == {}
    await_true(lambda: scrape(server).get("monopod_connections") == 0, "the connection has ended")


CHUNKED = b"POST /hello HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /hello HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("raw", "status", "reason", "method"),
    [
        (b"GET\r\n\r\n", 400, "bad-request-line", "OTHER"),
        (b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", 505, "version-refused", "OTHER"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "request-line-too-long", "OTHER"),
        (GET + b"Host: a\n\r\n", 400, "bare-lf", "OTHER"),
        (GET + HOST + b" folded\r\n\r\n", 400, "obs-fold", "OTHER"),
        (GET + HOST + b"a b: c\r\n\r\n", 400, "bad-header", "OTHER"),
        (GET + b"\r\n", 400, "bad-host", "OTHER"),
        (GET + HOST + b"X: " + b"x" * 20_000 + b"\r\n\r\n", 431, "header-too-large", "OTHER"),
        (GET + HOST + b"X: y\r\n" * 100 + b"\r\n", 431, "too-many-headers", "OTHER"),
        (GET + HOST + b"Content-Length: -1\r\n\r\n", 400, "bad-content-length", "OTHER"),
        (GET + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 400, "bad-transfer-encoding", "OTHER"),
        (
            CHUNKED.removesuffix(b"\r\n") + b"Content-Length: 3\r\n\r\n",
            400,
            "length-with-transfer-encoding",
            "OTHER",
        ),
        (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400, "bad-target", "GET"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501, "method-refused", "CONNECT"),
        (CHUNKED + b"x\r\n", 400, "bad-chunk", "POST"),
        (CHUNKED + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n", 413, "body-too-large", "POST"),
        (b"POST /hello HTTP/1.1\r\n" + HOST + b"Content-Length: 1001\r\n\r\n", 413, "body-too-large", "POST"),
        (b"GET /hel", 408, "header-timeout", "OTHER"),
        (b"POST /hello HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nhalf", 408, "body-timeout", "POST"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.islower() else "",
)
def test_each_refusal_is_counted_once_by_its_reason(
    counted: Server, raw: bytes, status: int, reason: str, method: str
) -> None:
    before = scrape(counted)
    with counted.connect() as client:
        client.send(raw)
        assert client.answer().status == status
        client.rest()
    after = scrape(counted)
    assert after.since(before, FAULTS) == {(reason,): 1}
    assert after.since(before, REQUESTS) == {(method, str(status)): 1}
    assert after.since(before, COUNT) == {("total",): 1}
    assert f'reason="{reason}"' in counted.wait_log(f'reason="{reason}"')


@pytest.mark.parametrize(
    ("target", "status", "reason"),
    [
        ("/raises?kind=ValueError&at=call", 500, "app-raised"),
        ("/raises_after?chunks=1", 200, "app-raised"),
        ("/sized?declared=10&sent=5&chunk=5", 200, "app-short-body"),
        ("/sized?declared=10&sent=35&chunk=5", 200, "app-long-body"),
        ("/sized?declared=10&sent=35&chunk=35&as=list", 200, "app-long-body"),
        ("/bad_close", 200, "app-close-raised"),
    ],
)
def test_each_failure_of_the_application_is_counted_once(
    counted: Server, target: str, status: int, reason: str
) -> None:
    before = scrape(counted)
    with counted.connect() as client:
        assert client.ask(target).status == status
    await_faults(counted, before, {(reason,): 1})
    assert grown(counted, before, REQUESTS) == {("GET", str(status)): 1}


def test_an_upload_that_breaks_off(counted: Server) -> None:
    before = scrape(counted)
    with counted.connect() as client:
        client.send(b"POST /hello HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nhalf")
    await_faults(counted, before, {("body-aborted",): 1})


def test_a_client_that_takes_nothing(counted: Server) -> None:
    before = scrape(counted)
    with counted.connect(receive_buffer=4096) as client:
        client.request("/big?mib=64")
        await_faults(counted, before, {("write-timeout",): 1})
    assert grown(counted, before, REQUESTS) == {("GET", "200"): 1}
    assert 'reason="write-timeout"' in counted.wait_log('path="/big"')


def test_clients_that_leave(start: Starter, gate: Gate) -> None:
    server = start("lab:application", *ADMIN, "--threads", "1")
    before = scrape(server)
    with server.connect() as streamed:
        streamed.request(f"/stream?gate={gate.port}")
        assert streamed.head().status == 200
        visitor = gate.wait("one")
        with server.connect() as queued:
            queued.request("/hello?left=1")
            await_true(lambda: scrape(server).get("monopod_queue_depth") == 1, "it waits in the queue")
        assert "status=499" in server.wait_log("left=1")
        assert grown(server, before, REQUESTS, FAULTS) == {("GET", "499"): 1, ("client-gone",): 1}
    await_true(
        lambda: grown(server, before, REQUESTS, FAULTS) == {("GET", "499"): 1, ("GET", "200"): 1, ("client-gone",): 2},
        "both clients are counted",
    )
    visitor.let_through()


def test_refused_by_the_queue(start: Starter, gate: Gate) -> None:
    server = start("lab:application", *ADMIN, "--threads", "1", "--queue-size", "1", "--queue-timeout", "1")
    before = scrape(server)
    with server.connect() as busy, server.connect() as waiting:
        busy.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        waiting.request("/hello")
        await_true(lambda: scrape(server).get("monopod_queue_depth") == 1, "it waits in the queue")
        assert server.ask("/hello").status == 503
        assert grown(server, before, FAULTS) == {("queue-full",): 1}
        assert waiting.answer().status == 503
        after = scrape(server)
        assert after.since(before, FAULTS) == {("queue-full",): 1, ("queue-timeout",): 1}
        # It has waited, but no thread has seen it.
        assert after.since(before, COUNT) == {("total",): 2, ("queue",): 2}
        assert after.get("monopod_request_duration_seconds_sum", phase="queue") >= 1
        visitor.let_through()
        assert busy.answer().status == 200


def test_the_levels_of_the_moment(start: Starter, gate: Gate) -> None:
    server = start("lab:application", *ADMIN, "--threads", "1", "--queue-size", "7", "--buffer-memory", "3m")
    clients = [server.connect() for _ in range(3)]
    clients[0].request(f"/hello?gate={gate.port}", "POST", body=b"x" * 100_000)
    visitor = gate.wait("hello")
    for client in clients[1:]:
        client.request("/hello", "POST", body=b"x" * 100_000)
    await_true(lambda: scrape(server).get("monopod_queue_depth") == 2, "two wait")
    now = scrape(server)
    assert {name: now.get(f"monopod_{name}") for name in LEVELS} == LEVELS
    visitor.let_through()
    for client in clients:
        assert client.answer().status == 200
        client.sock.close()
    idle: Callable[[], bool] = lambda: all(  # noqa: E731
        scrape(server).get(f"monopod_{name}") == 0
        for name in ("queue_depth", "requests_in_flight", "threads_busy", "connections", "buffer_bytes")
    )
    await_true(idle, "nothing is left")


LEVELS = {
    "queue_depth": 2,
    "queue_capacity": 7,
    "requests_in_flight": 3,
    "threads_busy": 1,
    "threads_max": 1,
    "connections": 3,
    "buffer_bytes": 300_000,
    "buffer_limit_bytes": 3 << 20,
}


def test_what_went_to_disk(start: Starter, gate: Gate) -> None:
    server = start("lab:application", *ADMIN)
    assert server.ask("/checksum", "POST", body=b"x" * (3 << 20)).status == 200
    assert scrape(server).total("monopod_spooled_bytes_total") == 3 << 20
    with server.connect(receive_buffer=4096) as slow:
        slow.request(f"/big?mib=40&gate={gate.port}")
        gate.wait("closed")
        # What the client did not take, but for what sockets and memory hold.
        assert 20 << 20 < scrape(server).total("monopod_spooled_bytes_total") - (3 << 20) <= 40 << 20


def test_headers_that_the_application_does_not_get(counted: Server) -> None:
    before = scrape(counted)
    headers = [("X_Forged", "1"), ("Under_Score", "2"), ("Proxy", "3"), ("X-Fine", "4")]
    assert counted.ask("/hello", headers=headers).status == 200
    assert grown(counted, before, "monopod_dropped_headers_total") == {("underscore",): 2, ("proxy",): 1}


OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        # OpenMetrics 1.0: a simple GET gets it.
        (None, OPENMETRICS),
        ("*/*", OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        # Prometheus 2.42, 2.53 with protobuf, 3
        (
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ),
            OPENMETRICS,
        ),
        (
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5,"
                "application/openmetrics-text;version=1.0.0;q=0.4,application/openmetrics-text;version=0.0.1;q=0.3,"
                "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
            ),
            OPENMETRICS,
        ),
        (
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
            ),
            OPENMETRICS,
        ),
        # vmagent, Datadog without its use_latest_spec, a scraper with the older format only
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", PLAIN),
        ("text/plain", PLAIN),
        ("text/plain; version=0.0.4", PLAIN),
        # A version that is not spoken here
        ("application/openmetrics-text;version=9.0.0,text/plain;version=0.0.4;q=0.5", PLAIN),
        # A browser, which would save the other to a file
        ("text/html,application/xhtml+xml,*/*;q=0.8", PLAIN),
    ],
)
def test_each_scraper_gets_the_format_that_it_reads(counted: Server, accept: str | None, kind: str) -> None:
    answer = counted.ask_admin("/metrics", headers=[] if accept is None else [("Accept", accept)])
    assert (answer.status, answer.get("content-type"), answer.get("vary")) == (200, kind, "accept")


def test_both_formats_say_the_same(counted: Server) -> None:
    texts = {
        kind: counted.ask_admin("/metrics", headers=[("Accept", kind)]).body.decode()
        for kind in (OPENMETRICS.partition(";")[0], "text/plain")
    }
    new = {family.name: family for family in openmetrics(texts["application/openmetrics-text"])}
    old = {family.name: family for family in prometheus(texts["text/plain"])}
    assert len(new) > 25
    for name, family in new.items():
        # The older parser knows no info, and strips `_total` itself.
        other = old.pop(f"{name}_info" if family.type == "info" else name)
        assert other.type == ("gauge" if family.type == "info" else family.type)
        assert other.documentation == family.documentation
        keys = [{(sample.name, *sorted(sample.labels.items())) for sample in one.samples} for one in (family, other)]
        assert keys[0] == keys[1]
    assert old == {}


def test_every_family_is_in_the_documentation_with_its_labels(counted: Server) -> None:
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| \S+ \| (.*?) \|", page, re.MULTILINE)
    told = {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in rows}
    counted.ask("/hello")
    found = {}
    for family in openmetrics(counted.ask_admin("/metrics").body.decode()):
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[family.name + suffix] = (family.type, labels)
    # Known only where the container has a limit.
    assert told.keys() - found.keys() <= {"monopod_memory_limit_bytes"}
    assert found == {name: told[name] for name in found}


def test_the_process_and_its_build(counted: Server, face: Face) -> None:
    now = scrape(counted)
    ((build,),) = [now.labels("monopod_build_info")]
    assert build["python"].startswith("3.")
    assert face.run("--version").stdout == f"monopod {build['version']}\n"
    assert abs(now.get("process_start_time_seconds") - time.time()) < 3600
    assert now.get("process_resident_memory_bytes") > 10 << 20
    assert 5 < now.get("process_open_fds") < now.get("process_max_fds")
    assert now.get("process_cpu_seconds_total") > 0
