"""Promise: a real Prometheus scrapes a server under load, and every query of the dashboard and every rule works on that."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from definitions import ALERTS, DASHBOARD
from server import Server, await_true, the_face

BOARD = json.loads(DASHBOARD.read_text())
SPEC = yaml.safe_load(ALERTS.read_text())["spec"]
TARGET = {"namespace": "shop", "pod": "web-1"}
# As Grafana sets them; scrapes are a second apart.
VARIABLES = {"$__rate_interval": "5s", "$namespace": "shop|mall", "$job": ".*", "$pod": ".*"}
# What the machine may not have, and what does not happen here.
MAY_BE_EMPTY = (
    "monopod_memory_limit_bytes",
    "monopod_memory_used_bytes",
    "process_max_fds",
    "changes(process_start_time_seconds",
)


class Prometheus:
    """A running Prometheus that scrapes `server` each second."""

    def __init__(self, server: Server, directory: Path) -> None:
        program = os.environ.get("PROMETHEUS")
        assert program, "PROMETHEUS must name the program; scripts/test-prometheus finds it"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        # Recorded every second as well, or a test would wait for a minute.
        groups = [{**group, "interval": "1s"} for group in SPEC["groups"]]
        (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
        targets = [{"targets": [f"127.0.0.1:{server.admin_port}"], "labels": TARGET}]
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "shop/web", "static_configs": targets}],
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._log = (directory / "log").open("w")
        self._process = subprocess.Popen(
            [
                program,
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of the HTTP API; an AssertionError has what it says against the query."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            # It is not ready yet.
            if error.code == 503:
                raise
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def is_up(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text()
        try:
            return len(self.query("count_over_time(monopod_build_info[1m]) >= 8")) == 1
        except OSError:
            return False

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


@contextmanager
def load(server: Server) -> Iterator[None]:
    """Something of each kind, all the time."""
    enough = threading.Event()

    def ask() -> None:
        while not enough.wait(0.05):
            with server.connect() as client:
                etag = client.ask("/static/a.txt").get("etag") or ""
                client.ask("/static/a.txt", headers=[("If-None-Match", etag)])
                client.ask("/hello", headers=[("X_Y", "1")])
                client.ask("/nothing")
                client.ask("/raises?kind=ValueError&at=call")
                client.ask("/checksum", "POST", body=b"x" * (2 << 20))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    site = tmp_path_factory.mktemp("site")
    (site / "a.txt").write_text("a file\n")
    options = ("--admin-bind", "127.0.0.1:0", "--threads", "2", "--static", f"/static={site}")
    with Server(the_face("binary"), "lab:application", *options) as server, load(server):
        prometheus = Prometheus(server, tmp_path_factory.mktemp("prometheus"))
        try:
            await_true(prometheus.is_up, "there have been some scrapes", timeout=60)
            yield prometheus
        finally:
            prometheus.end()


def of_the_dashboard() -> Iterator[tuple[str, str]]:
    for panel in BOARD["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']}: {target['refId']}", target["expr"]
    yield from ((item["name"], item["expr"]) for item in BOARD["annotations"]["list"] if "expr" in item)


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$_" not in expression
    return expression


@pytest.mark.parametrize("expression", [pytest.param(text, id=name) for name, text in of_the_dashboard()])
def test_a_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, expression: str) -> None:
    found = prometheus.query(filled(expression))
    if not any(name in expression for name in MAY_BE_EMPTY):
        assert found, expression
        assert any(sample["value"][1] != "NaN" for sample in found), found


def test_the_variables_have_values(prometheus: Prometheus) -> None:
    for label, value in (*TARGET.items(), ("job", "shop/web")):
        assert prometheus.ask(f"label/{label}/values", **{"match[]": "monopod_build_info"}) == [value]


def test_the_text_is_taken_whole(prometheus: Prometheus) -> None:
    (target,) = prometheus.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    (scraped,) = prometheus.query("scrape_samples_scraped")
    (kept,) = prometheus.query("scrape_samples_post_metric_relabeling")
    assert int(scraped["value"][1]) == int(kept["value"][1]) > 100
    kinds = prometheus.ask("metadata")
    assert kinds["monopod_build"][0]["type"] == "info"
    assert kinds["monopod_request_duration_seconds"][0]["type"] == "histogram"
    assert kinds["monopod_requests"][0]["type"] == "counter"


def test_every_rule_works(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    await_true(lambda: all(rule["health"] != "unknown" for rule in rules()), "all have been evaluated")
    assert [rule["name"] for rule in rules() if rule["health"] != "ok"] == []
    # A request in six fails, which two minutes would have to show before anybody is told.
    pending = {rule["name"] for rule in rules() if rule.get("alerts")}
    assert {"MonopodErrorsFast", "MonopodErrorsSlow"} <= pending
    assert pending <= {"MonopodErrorsFast", "MonopodErrorsSlow", "MonopodCpuAtLimit"}
    for rule in SPEC["groups"][0]["rules"]:
        (recorded,) = prometheus.query(rule["record"])
        assert recorded["value"][1] != "NaN"
        assert recorded["metric"]["namespace"] == "shop"
