"""Promise: prometheus_client works unchanged: one registry for all threads, and the collectors of the process."""

from __future__ import annotations

import socket
import threading
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parse

import page
from server import Server, Starter

CLIENTS, EACH = 8, 25


def scrape(text: str) -> dict[str, Metric]:
    return {family.name: family for family in parse(text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
    (found,) = (sample.value for sample in samples if sample.labels == labels)
    return float(found)


@pytest.mark.parametrize("framework", ["flask", "django"])
def test_counters_are_right_over_many_threads(framework: str, start: Starter, tmp_path: Path) -> None:
    file, target = {"flask": ("app.py", "app:app"), "django": ("mysite/urls.py", "mysite.wsgi")}[framework]
    having = "make_wsgi_app" if framework == "flask" else ""
    project = page.project(tmp_path / "project", {file: page.code("prometheus_client", file, having)})
    server = start(target, "--threads", str(CLIENTS), cwd=project)
    path = {"flask": "/metrics", "django": "/metrics"}[framework]

    def take(kind: str) -> None:
        with server.connect() as client:
            assert {client.ask(f"/orders/{kind}", "POST", body=b"").status for _ in range(EACH)} == {201}

    threads = [threading.Thread(target=take, args=(("tea", "bread")[number % 2],)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer = server.ask(path)
    assert answer.status == 200
    assert (answer.get("content-type") or "").startswith("text/plain; version=")
    families = scrape(answer.body.decode())
    for kind in ("tea", "bread"):
        assert value(families, "orders_total", kind=kind) == CLIENTS * EACH / 2
    assert_of_the_process(server, families)


def assert_of_the_process(server: Server, families: dict[str, Metric]) -> None:
    resident = value(families, "process_resident_memory_bytes")
    assert 0.5 < resident / server.memory().total < 2
    assert value(families, "process_cpu_seconds_total") > 0
    assert value(families, "process_open_fds") > 3
    assert value(families, "process_start_time_seconds") > 0
    assert value(families, "python_gc_collections_total", generation="0") > 0


def test_a_port_of_its_own(start: Starter, tmp_path: Path) -> None:
    """`start_http_server` in the module of the application; its port is free again after the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = page.code("prometheus_client", "app.py", "start_http_server")
    assert "start_http_server(9100)" in text
    text = text.replace("start_http_server(9100)", f'start_http_server({port}, "127.0.0.1")')
    server = start("shop:app", cwd=page.project(tmp_path / "project", {"app.py": text}))
    assert server.ask("/order/1").status == 200
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=15) as answer:
        families = scrape(answer.read().decode())
    assert_of_the_process(server, families)
    assert server.terminate() == 0
