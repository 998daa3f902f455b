"""Promise: Grafana's dashboard asks only for what the metrics have, and its panels lie side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import pytest

from definitions import DASHBOARD, samples
from promql import Query

Node = dict[str, Any]
BOARD: Node = json.loads(DASHBOARD.read_text())
PANELS: list[Node] = BOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
SELECTOR = {"namespace": "$namespace", "job": "$job", "pod": "$pod"}


def title(panel: Node) -> str:
    return str(panel["title"])


def queries() -> Iterator[tuple[str, str]]:
    """Panel and expression, with the interval that Grafana would set."""
    for panel in GRAPHS:
        for target in panel["targets"]:
            yield f"{title(panel)}: {target['refId']}", target["expr"]
    for annotation in BOARD["annotations"]["list"]:
        if "expr" in annotation:
            yield annotation["name"], annotation["expr"]


QUERIES = [pytest.param(expression.replace("$__rate_interval", "1m"), id=name) for name, expression in queries()]


@pytest.mark.parametrize("expression", QUERIES)
def test_a_query_names_only_what_there_is(expression: str) -> None:
    query = Query(expression)
    assert query.selectors
    assert query.breaches(samples()) == []
    for selector in query.selectors:
        chosen = {label: value for label, op, value in selector.matchers if op == "MatchOp.Re"}
        assert chosen.items() >= SELECTOR.items(), "the variables choose the pods of every query"


def test_a_wrong_query_is_found() -> None:
    for expression, breach in [
        ("monopod_request_total", "no metric monopod_request_total"),
        ('monopod_requests_total{state="200"}', "monopod_requests_total has no label state"),
        ("sum by (reason) (monopod_requests_total)", "nothing here has a label reason"),
        ('monopod_faults_total{reason=~"queue-full|none"}', "monopod_faults_total: reason is never ['none']"),
        ("monopod_ready * on (phase) monopod_queue_depth", "nothing here has a label phase"),
    ]:
        assert Query(expression).breaches(samples()) == [breach]
    with pytest.raises(ValueError, match=r"."):
        Query("sum(rate(monopod_ready)")


def test_every_metric_of_the_server_is_shown() -> None:
    shown = {
        selector.name for _, text in queries() for selector in Query(text.replace("$__rate_interval", "1m")).selectors
    }
    assert {name for name in samples() if name.startswith("monopod_")} - shown == set()


@pytest.mark.parametrize("panel", GRAPHS, ids=title)
def test_a_panel_is_complete(panel: Node) -> None:
    assert panel["datasource"] == DATASOURCE
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["type"] in {"timeseries", "stat", "heatmap", "state-timeline"}
    assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])
    legends = {target["legendFormat"] for target in panel["targets"]}
    assert len(legends) == len(panel["targets"])
    # A legend names labels that its query leaves.
    for target in panel["targets"]:
        query = Query(target["expr"].replace("$__rate_interval", "1m"))
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= query.labels | query.made
    for override in panel["fieldConfig"]["overrides"]:
        name = override["matcher"]["options"]
        assert name in legends or any("{{" in legend for legend in legends), name


def test_panels_are_told_apart_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in PANELS]
    titles = [title(panel) for panel in PANELS]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24, title(panel)
    for one, other in combinations(PANELS, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = [a[at] + a[size] <= b[at] or b[at] + b[size] <= a[at] for at, size in (("x", "w"), ("y", "h"))]
        assert any(apart), (title(one), title(other))


def test_each_row_has_something_below_it() -> None:
    kinds = [panel["type"] == "row" for panel in PANELS]
    assert kinds[0]
    assert not kinds[-1]
    assert (True, True) not in pairwise(kinds)
    heights = [panel["gridPos"]["y"] for panel in PANELS]
    assert heights == sorted(heights)


def test_it_is_one_for_grafana_10_and_its_variables_depend_on_each_other() -> None:
    assert BOARD["schemaVersion"] >= 38
    assert BOARD["id"] is None, "an imported dashboard gets its own"
    first, *others = BOARD["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert [variable["name"] for variable in others] == ["namespace", "job", "pod"]
    before: list[str] = []
    for variable in others:
        assert variable["datasource"] == DATASOURCE
        # Metrics that were not scraped from a pod have no such label: All is everything.
        assert (variable["includeAll"], variable["multi"], variable["allValue"]) == (True, True, ".*")
        asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert asked
        query = Query(asked[1])
        assert query.breaches(samples()) == []
        assert [label for label, _, _ in query.selectors[0].matchers] == before
        assert asked[2] == variable["name"]
        before.append(variable["name"])
