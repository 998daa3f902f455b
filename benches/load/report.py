"""From runs to medians, a table for people and a record for later: one dated JSON and one Markdown file."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rounds import Plan, Run
from scenarios import Case
from servers import HERE

RESULTS = HERE / "results"


@dataclasses.dataclass(frozen=True)
class Summary:
    """One server in one case: medians over the runs that counted."""

    case: str
    server: str
    runs: int
    failed: int
    errors: int
    cpu_us: float | None = None
    cpu_us_low: float | None = None
    cpu_us_high: float | None = None
    ratio: float | None = None
    rps: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    voluntary: float | None = None
    nonvoluntary: float | None = None
    pss_mib: float | None = None
    busy_percent: float | None = None
    other_percent: float | None = None
    extra: dict[str, float] = dataclasses.field(default_factory=dict)
    served: str = ""


def summarise(case: str, server: str, runs: Sequence[Run]) -> Summary:
    good = [run for run in runs if not run.failure]
    line = Summary(case, server, len(runs), len(runs) - len(good), sum(run.errors for run in runs))
    if not good:
        return line

    def median(value: Callable[[Run], float]) -> float:
        return statistics.median(value(run) for run in good)

    others = [run.other_percent for run in good if run.other_percent is not None]
    return dataclasses.replace(
        line,
        cpu_us=median(lambda run: run.cpu_us),
        cpu_us_low=min(run.cpu_us for run in good),
        cpu_us_high=max(run.cpu_us for run in good),
        rps=median(lambda run: run.rps),
        p50_ms=median(lambda run: run.p50_ms),
        p99_ms=median(lambda run: run.p99_ms),
        voluntary=median(lambda run: run.voluntary),
        nonvoluntary=median(lambda run: run.nonvoluntary),
        pss_mib=median(lambda run: run.pss_mib),
        busy_percent=median(lambda run: run.busy_percent),
        other_percent=statistics.median(others) if others else None,
        extra={
            key: statistics.median(run.extra[key] for run in good if key in run.extra)
            for key in dict.fromkeys(key for run in good for key in run.extra)
        },
        served=" / ".join(dict.fromkeys(run.served for run in good if run.served)),
    )


def summaries(plan: Plan, runs: Sequence[Run]) -> dict[str, list[Summary]]:
    """By case name, in the order of the plan, with the ratio to the reference filled in."""
    found = {}
    for case in plan.cases:
        lines = [
            summarise(case.name, server, [run for run in runs if (run.case, run.server) == (case.name, server)])
            for server in plan.servers_of(case)
        ]
        base = next((line.cpu_us for line in lines if line.server == plan.reference_of(case)), None)
        found[case.name] = [
            dataclasses.replace(line, ratio=line.cpu_us / base) if base and line.cpu_us is not None else line
            for line in lines
        ]
    return found


def number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def columns(line: Summary, reference: str, common: Sequence[str]) -> dict[str, str]:
    """`common` are those of the columns all scenarios share that are wanted; none: all."""
    spread = "–"
    if line.cpu_us_low is not None and line.cpu_us_high is not None:
        spread = f"{line.cpu_us_low:.1f}–{line.cpu_us_high:.1f}"
    failed = f" ({line.failed} of {line.runs} runs FAILED)" if line.failed else ""
    shared = {
        "CPU µs/req": number(line.cpu_us, 1),
        "low–high": spread,
        f"× {reference}": number(line.ratio, 2),
        "req/s": number(line.rps, 0),
        "p50 ms": number(line.p50_ms, 2),
        "p99 ms": number(line.p99_ms, 2),
        "vol/req": number(line.voluntary, 3),
        "invol/req": number(line.nonvoluntary, 3),
        "PSS MiB": number(line.pss_mib, 1),
        "busy %": number(line.busy_percent, 0),
        "other %": number(line.other_percent, 0),
    }
    return {
        "server": line.server,
        **{head: text for head, text in shared.items() if not common or head in common},
        **{key: number(value, 1) for key, value in line.extra.items()},
        **({"served": line.served} if line.served else {}),
        "errors": f"{line.errors}{failed}",
    }


def table(lines: Sequence[Summary], reference: str, common: Sequence[str] = ()) -> str:
    """A Markdown table that is also aligned for a terminal."""
    rows = [columns(line, reference, common) for line in lines]
    heads = [*dict.fromkeys(head for row in rows for head in row if head != "errors"), "errors"]
    widths = {head: max(len(head), *(len(row.get(head, "–")) for row in rows)) for head in heads}

    def cell(head: str, text: str) -> str:
        return text.ljust(widths[head]) if head == "server" else text.rjust(widths[head])

    rule = ["-" * widths[head] if head == "server" else "-" * (widths[head] - 1) + ":" for head in heads]
    texts = [[cell(head, head) for head in heads], rule]
    texts += [[cell(head, row.get(head, "–")) for head in heads] for row in rows]
    return "\n".join(f"| {' | '.join(text)} |" for text in texts)


def section(plan: Plan, name: str, lines: Sequence[Summary]) -> tuple[str, str]:
    """Heading and table of one case."""
    case = next(case for case in plan.cases if case.name == name)
    return heading(plan, case), table(lines, plan.reference_of(case), case.scenario.columns)


def heading(plan: Plan, case: Case) -> str:
    threads = f"{case.threads} thread{'s' if case.threads > 1 else ''}"
    ideal = f", ideal {case.ideal_rps:.0f} req/s" if case.ideal_rps else ""
    load = f"{plan.connections_of(case)} connections, {plan.timing(case).seconds} s"
    return f"{case.scenario.name}: {threads}, {load}{ideal}"


def machine() -> dict[str, Any]:
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "kernel": platform.release(),
        "cpu": model,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
    }


def write(plan: Plan, runs: Sequence[Run], versions: dict[str, str], copy: Path | None) -> Path:
    """Write both files into results/, the JSON also to `copy`; the answer is the path of the JSON."""
    now = datetime.now(UTC)
    found = summaries(plan, runs)
    record = {
        "date": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions,
        "rounds": plan.rounds,
        "cases": {case.name: plan.timing(case)._asdict() for case in plan.cases},
        "pinned": plan.cores.server is not None,
        "reference": {case.name: plan.reference_of(case) for case in plan.cases},
        "summaries": [dataclasses.asdict(line) for lines in found.values() for line in lines],
        "runs": [dataclasses.asdict(run) for run in runs],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    text = json.dumps(record, indent=1) + "\n"
    path.write_text(text)
    if copy is not None:
        copy.write_text(text)
    # A server may have two parts, such as nginx+gunicorn.
    parts = dict.fromkeys(part for name in plan.servers for part in name.split("+"))
    known = ", ".join(f"{name} {versions[name]}" for name in (*parts, "flask", "python") if name in versions)
    texts = [f"# Load, {now:%Y-%m-%d %H:%M} UTC", f"{known}. {plan.rounds} rounds, medians."]
    for name, lines in found.items():
        title, text = section(plan, name, lines)
        texts += [f"## {title}", text]
    path.with_suffix(".md").write_text("\n\n".join(texts) + "\n")
    return path
