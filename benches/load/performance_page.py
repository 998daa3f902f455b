"""python3 benches/load/performance_page.py RESULT.json: write docs/performance.md and its plots from a run's record.

The words are in performance_page.md, with `{{…}}` wherever something of the record belongs; see `Page`. Further
records, of a run with --unpinned, of one with another Python, of one under `reno`, of one with more rounds and of
syscalls.py, fill the places that are theirs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import plot
import report
import syscalls
from bars import OURS, Verdict
from scenarios import SCENARIOS
from servers import HERE

ROOT = HERE.parent.parent
TEMPLATE = HERE / "performance_page.md"
PLACE = re.compile(r"\{\{(.+?)\}\}")
COUNTS = HERE.parent / "instructions.json"
FEWEST_ROUNDS = 3
MOST_OTHERS = 10.0
"""Per cent of the server's core that others may have had beside a figure, but for this share of the figures."""
DISTURBED = 0.1
NOT_SERVERS = ("floor", "app")
SHOWN = ("CPU µs/req", "overhead µs", "req/s", "p50 ms", "p99 ms", "vol/req", "invol/req", "PSS MiB")
"""Of the columns that all scenarios share, besides those with the reference in their head."""
LOST = (
    ("CPU µs/req", "CPU"),
    ("PSS MiB", "memory"),
    ("peak MiB", "peak memory"),
    ("KiB/conn", "memory a connection"),
    ("start ms", "start"),
    ("p99 ms", "p99"),
)
"""What is looked at for where others are better, and what it is called. Less is better."""
CLOSE = 0.97
"""Nearer than this is no difference."""


@dataclass(frozen=True)
class Record:
    """What run.py wrote."""

    told: dict[str, Any]

    @classmethod
    def read(cls, *paths: Path) -> Record:
        """Of several runs, of other scenarios each, as if they were one."""
        first, *others = (json.loads(path.read_text()) for path in paths)
        first["later"] = {}
        for other in others:
            if again := first["cases"].keys() & other["cases"].keys():
                raise SystemExit(f"performance_page.py: {', '.join(sorted(again))} is in two records")
            shared = first["versions"].keys() & other["versions"].keys()
            alike = all(first["versions"][name] == other["versions"][name] for name in shared)
            machines = [{**told["machine"], "load_average": 0} for told in (first, other)]
            if first["pinned"] != other["pinned"] or not alike or machines[0] != machines[1]:
                raise SystemExit(
                    "performance_page.py: the parts are of other versions, or of other machines, or pinned otherwise"
                )
            for key in ("cases", "reference", "versions"):
                first[key].update(other[key])
            for key in ("bars", "summaries", "runs"):
                first[key] += other[key]
            first["rounds"] = min(first["rounds"], other["rounds"])
            if (date := other["date"][:10]) != first["date"][:10]:
                first["later"].setdefault(date, []).extend(other["cases"])
        return cls(first)

    def lines(self, case: str) -> list[report.Summary]:
        known = {each.name for each in fields(report.Summary)}
        found = [line for line in self.told["summaries"] if line["case"] == case]
        return [report.Summary(**{key: value for key, value in line.items() if key in known}) for line in found]

    @property
    def cases(self) -> list[str]:
        return list(self.told["cases"])


@dataclass
class Page:
    """Fills places: `machine`, `caution`, `versions`, `bars`, `lost`, `plot CASE COLUMN`, `table CASE`, each after a word,
    `unpinned`, `python`, `reno` or `rounds`, where another record is meant; `syscalls SCENARIO`, `count PART`."""

    records: dict[str, Record]
    counted: list[syscalls.Counted]
    plots: Path
    linked: str
    """`plots` as the page names it."""
    absent: list[str] = field(default_factory=list)

    def fill(self, place: str) -> str:
        word, *rest = place.split()
        source = "main"
        if word in ("unpinned", "python", "reno", "rounds"):
            source, word, rest = word, rest[0], rest[1:]
        record = self.records.get(source)
        text = None
        if word == "syscalls":
            text = self.syscalls(*rest)
        elif word == "count":
            text = self.count(" ".join(rest))
        elif record is not None:
            text = getattr(self, word)(record, *rest)
        if text is None:
            self.absent.append(place)
            return "(Not measured in this run.)"
        return str(text)

    def machine(self, record: Record) -> str:
        machine, told = record.told["machine"], record.told
        pinned = "server and load pinned to a core each" if told["pinned"] else "server and load share all cores"
        dates = "".join(f", and {date}, of a later build ({', '.join(cases)})" for date, cases in told["later"].items())
        return (
            f"{told['date'][:10]}{dates}, {machine['cores']} cores, {machine['cpu'] or 'a CPU without a name'}, Linux {machine['kernel']}, "
            f"CPython {told['versions']['python']}; {told['rounds']} rounds, {pinned}; load average at the end "
            f"{machine['load_average']:.1f}."
        )

    def caution(self, record: Record) -> str:
        """Whether the figures can be trusted, as far as the record knows."""
        reasons = []
        if record.told["rounds"] < FEWEST_ROUNDS:
            reasons.append(f"it has {record.told['rounds']} of {FEWEST_ROUNDS} rounds")
        asked = {
            case: SCENARIOS[name].seconds for case in record.cases if (name := case.partition("/")[0]) in SCENARIOS
        }
        if any(record.told["cases"][case]["seconds"] < seconds for case, seconds in asked.items()):
            reasons.append("its runs are shorter than the scenarios want them")
        others = [line["other_percent"] for line in record.told["summaries"] if line["other_percent"] is not None]
        disturbed = sum(other > MOST_OTHERS for other in others)
        if disturbed > DISTURBED * len(others):
            reasons.append(
                f"in {disturbed} of {len(others)} figures others had more than {MOST_OTHERS:.0f} % of the server's core"
            )
        if failed := sum(line["failed"] for line in record.told["summaries"]):
            reasons.append(f"{failed} runs failed")
        if not reasons:
            return ""
        return (
            f"**This run is not one to quote:** {', '.join(reasons)}. Its figures show the form of this page, no more."
        )

    def count(self, part: str) -> str | None:
        """Instructions of a part, as committed."""
        known = json.loads(COUNTS.read_text())["instructions"].get(part)
        return None if known is None else f"{known:,}"

    def versions(self, record: Record) -> str:
        known = record.told["versions"]
        names = (
            "monopod", "granian", "bjoern", "fastwsgi", "gunicorn", "uwsgi", "waitress", "nginx", "whitenoise",
            "static-web-server", "caddy", "hyper", "flask", "django",
        )  # fmt: skip
        return ", ".join(f"{name} {known[name]}" for name in names if name in known) + "."

    def bars(self, record: Record) -> str | None:
        verdicts = [self.verdict(each) for each in record.told["bars"]]
        if not verdicts:
            return None
        counts = {
            kind: [each.met for each in verdicts if each.moonshot is is_moonshot and each.met is not None]
            for kind, is_moonshot in (("bars", False), ("moonshots", True))
        }
        said = ", ".join(f"{sum(met)} of {len(met)} {kind} met" for kind, met in counts.items())
        left = sum(each.met is None for each in verdicts)
        return f"{said}; {left} not measured.\n\n{report.bars_table(verdicts)}"

    def verdict(self, told: dict[str, Any]) -> Verdict:
        return Verdict(**{key: value for key, value in told.items() if key != "word"})

    def lost(self, record: Record) -> str:
        """Every figure in which a peer is better, worst first."""
        found = []
        for case in record.cases:
            lines = {line.server: line for line in record.lines(case) if not line.failed}
            ours = lines.get(OURS)
            if ours is None:
                continue
            columns = record.told["cases"][case]["columns"]
            for head, word in LOST:
                # All columns are those of a closed loop, where latency says how long the queue was.
                told = head in columns or head in ours.extra or (not columns and head != "p99 ms")
                if not told:
                    continue
                mine = report.figures(ours).get(head)
                for server, line in lines.items():
                    theirs = report.figures(line).get(head)
                    if server in NOT_SERVERS or not mine or not theirs or theirs > CLOSE * mine:
                        continue
                    found.append(
                        (mine / theirs, [case, word, server, report.number(mine, 1), report.number(theirs, 1)])
                    )
        rows = [[*cells, f"{times:.2f} ×"] for times, cells in sorted(found, key=lambda each: -each[0])]
        if not rows:
            return "In this run no peer was better in CPU time, memory or start."
        return report.aligned(["scenario", "what", "who is better", "monopod", "they", "we need"], rows, left=3)

    def table(self, record: Record, case: str) -> str | None:
        lines = record.lines(case)
        if not lines:
            return None
        reference, own = record.told["reference"][case], record.told["cases"][case]
        wanted = own["columns"] or [*SHOWN, f"× {reference}", f"overhead × {reference}"]
        return f"{own['title']}\n\n{report.table(lines, reference, wanted)}"

    def plot(self, record: Record, case: str, *head: str) -> str | None:
        column = " ".join(head)
        drawn = []
        for line in record.lines(case):
            value = report.figures(line).get(column)
            if value is not None and value > 0:
                kind = "ours" if line.server == OURS else "mark" if line.server in NOT_SERVERS else "bar"
                drawn.append(plot.Bar(line.server, value, kind))
        if not drawn:
            return None
        title = f"{record.told['cases'][case]['title'].partition(',')[0]}: {column}, less is better"
        name = re.sub(r"[^a-z0-9]+", "-", f"{case} {column}".lower().replace("µ", "u")).strip("-") + ".svg"
        self.plots.mkdir(parents=True, exist_ok=True)
        (self.plots / name).write_text(plot.chart(title, drawn))
        return f"![{title}]({self.linked}/{name})"

    def syscalls(self, scenario: str) -> str | None:
        counted = [each for each in self.counted if each.scenario == scenario]
        return syscalls.table(counted) if counted else None


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="performance_page.py", description="docs/performance.md from a run's record.")
    made.add_argument("record", type=Path, nargs="+", metavar="RESULT.json", help="of one run, or of several in parts")
    made.add_argument("--unpinned", type=Path, help="the record of a run with --unpinned")
    made.add_argument("--other-python", type=Path, help="the record of a run with another Python")
    made.add_argument("--reno", type=Path, help="the record of a run where the system's congestion control is reno")
    made.add_argument("--more-rounds", type=Path, help="the record of a run with more rounds, of scenarios that move")
    made.add_argument("--syscalls", type=Path, help="what syscalls.py wrote")
    made.add_argument("--out", type=Path, default=ROOT / "docs" / "performance.md")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    others = {
        "unpinned": asked.unpinned,
        "python": asked.other_python,
        "reno": asked.reno,
        "rounds": asked.more_rounds,
    }
    records = {"main": Record.read(*asked.record)}
    records |= {name: Record.read(path) for name, path in others.items() if path is not None}
    counted = []
    if asked.syscalls is not None:
        counted = [syscalls.Counted(**each) for each in json.loads(asked.syscalls.read_text())["counted"]]
    plots = asked.out.parent / asked.out.stem
    for old in plots.glob("*.svg"):
        old.unlink()
    page = Page(records, counted, plots, asked.out.stem)
    text = PLACE.sub(lambda found: page.fill(found[1]), TEMPLATE.read_text())
    # What had nothing to say leaves no gap.
    asked.out.write_text(re.sub(r"\n{3,}", "\n\n", text))
    for place in page.absent:
        print(f"not in the records: {place}")
    print(f"written: {asked.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
