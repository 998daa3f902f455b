"""What docs/metrics.md, which is generated, says there is: samples, their labels, and the values of those."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "examples/kubernetes/grafana-dashboard.json"
ALERTS = ROOT / "examples/kubernetes/alerts.yaml"
# What Prometheus itself adds when it scrapes a pod.
TARGET_LABELS = frozenset({"namespace", "job", "pod", "instance"})
BUCKETS, SUM, COUNT = "_bucket", "_sum", "_count"

PAGE = (ROOT / "docs/metrics.md").read_text()


def samples() -> dict[str, frozenset[str]]:
    """Every name that a scrape has, and its labels."""
    found: dict[str, frozenset[str]] = {"up": TARGET_LABELS}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| \S+ \| (.*?) \|", PAGE, re.MULTILINE):
        all_labels = TARGET_LABELS | frozenset(re.findall(r"\w+", labels))
        if kind == "histogram":
            found |= {name + BUCKETS: all_labels | {"le"}, name + SUM: all_labels, name + COUNT: all_labels}
        else:
            found[name] = all_labels
    assert len(found) > 25, "the page is read"
    return found


def reasons() -> frozenset[str]:
    """Values of `reason`."""
    return frozenset(re.findall(r"^\| `([a-z-]+)` \|", PAGE.split("| reason | meaning |")[1], re.MULTILINE))


def bounds() -> frozenset[str]:
    """Values of `le`, as they stand in a scrape."""
    (listed,) = re.findall(r"^([\d., ]+) seconds, and beyond", PAGE, re.MULTILINE)
    return frozenset(str(float(bound)) for bound in listed.split(",")) | {"+Inf"}


def values(name: str, label: str) -> frozenset[str] | None:
    """What the label of a sample can be; None where the page does not list it."""
    if label == "phase":
        return frozenset(
            {"booting", "ready", "draining", "stopped"} if name == "monopod_life" else {"queue", "app", "total"}
        )
    return {"reason": reasons(), "le": bounds()}.get(label)
