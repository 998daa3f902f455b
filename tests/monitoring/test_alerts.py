"""Promise: the alerts ask only for what the metrics have, and each says what happened, what to do and where to read on."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from definitions import ALERTS, ROOT, samples
from promql import Query

Rule = dict[str, Any]
RESOURCE: dict[str, Any] = yaml.safe_load(ALERTS.read_text())
RULES: list[Rule] = [rule for group in RESOURCE["spec"]["groups"] for rule in group["rules"]]
RECORDS = {rule["record"]: rule for rule in RULES if "record" in rule}
NAMED = [rule for rule in RULES if "alert" in rule]
RUNBOOK = (ROOT / "docs/alerts.md").read_text()


def there_is() -> dict[str, frozenset[str]]:
    """Samples, and what the rules record."""
    return samples() | {name: frozenset(Query(rule["expr"]).labels) for name, rule in RECORDS.items()}


def name_of(rule: Rule) -> str:
    return str(rule.get("alert") or rule["record"])


def test_it_is_a_resource_of_the_prometheus_operator() -> None:
    assert (RESOURCE["apiVersion"], RESOURCE["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    names = [name_of(rule) for rule in RULES]
    assert len(set(names)) == len(names)
    groups = [group["name"] for group in RESOURCE["spec"]["groups"]]
    assert len(set(groups)) == len(groups)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_a_rule_names_only_what_there_is(rule: Rule) -> None:
    query = Query(rule["expr"])
    assert query.selectors
    assert query.breaches(there_is()) == []


def test_what_is_recorded_is_used() -> None:
    used = {selector.name for rule in NAMED for selector in Query(rule["expr"]).selectors}
    assert set(RECORDS) <= used


@pytest.mark.parametrize("rule", NAMED, ids=name_of)
def test_an_alert_says_what_to_do(rule: Rule) -> None:
    name, annotations = rule["alert"], rule["annotations"]
    assert re.fullmatch(r"Monopod[A-Z][A-Za-z]+", name)
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert len(annotations["summary"]) < 140
    assert len(annotations["description"]) > 100
    # Labels in the text are labels of the result: of the grouping, or else of the target.
    query = Query(rule["expr"])
    grouped = re.search(r"\bby \(([^)]*)\)", rule["expr"])
    recorded = [RECORDS[selector.name] for selector in query.selectors if selector.name in RECORDS]
    left = {"namespace", "job"} if recorded else set(grouped[1].split(", ")) if grouped else {"namespace", "pod"}
    for text in annotations.values():
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= left
    assert annotations["runbook_url"] == f"docs/alerts.md#{name.lower()}"


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    sections = re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)
    assert sorted(sections) == sorted(rule["alert"] for rule in NAMED)
    for text in re.split(r"^### \w+$", RUNBOOK, flags=re.MULTILINE)[1:]:
        assert len(text.split()) > 30, text


def test_the_runbook_names_only_what_there_is() -> None:
    options = (ROOT / "docs/configuration.md").read_text()
    for option in re.findall(r"`--([a-z-]+)", RUNBOOK) + re.findall(r"--([a-z-]+)", ALERTS.read_text()):
        assert option == "previous" or f"`--{option}" in options, option
    for name in re.findall(r"`(monopod_\w+)`", RUNBOOK):
        assert name in there_is(), name
