"""Promise: each alert fires when it should, and not before; promtool is the judge."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from definitions import ALERTS

CASES = Path(__file__).parent / "alerts.test.yaml"
SPEC = yaml.safe_load(ALERTS.read_text())["spec"]


def promtool(*args: str, cwd: Path) -> None:
    promtool = os.environ.get("PROMTOOL")
    assert promtool, "PROMTOOL must name promtool; scripts/test-prometheus finds it"
    done = subprocess.run([promtool, *args], cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def without_words(rule: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key != "annotations"}


def test_the_rules_are_rules_and_fire_as_they_should(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(SPEC))
    promtool("check", "rules", "rules.yaml", cwd=tmp_path)
    # The cases are about when, not about the words.
    silent = [{**group, "rules": [without_words(rule) for rule in group["rules"]]} for group in SPEC["groups"]]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": silent}))
    shutil.copy(CASES, tmp_path)
    promtool("test", "rules", CASES.name, cwd=tmp_path)


def test_each_alert_fires_in_a_case_and_is_silent_in_another() -> None:
    fires: set[str] = set()
    silent: set[str] = set()
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for expected in case["alert_rule_test"]:
            (fires if expected["exp_alerts"] else silent).add(expected["alertname"])
    alerts = {rule["alert"] for group in SPEC["groups"] for rule in group["rules"] if "alert" in rule}
    assert fires == alerts
    assert silent == alerts
