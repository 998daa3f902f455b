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

import bars
from rounds import Plan, Run
from scenarios import Case
from servers import HERE, SERVERS

RESULTS = HERE / "results"
WORST = ("probes failed", "slow failed", "broken", "refused early")
"""Of these not the median but the highest is told: none may ever happen."""


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
    overhead_us: float | None = None
    """CPU time beyond that of the application's own call."""
    overhead_ratio: float | None = None
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
            key: (max if key in WORST else statistics.median)(run.extra[key] for run in good if key in run.extra)
            for key in dict.fromkeys(key for run in good for key in run.extra)
        },
        served=" / ".join(dict.fromkeys(run.served for run in good if run.served)),
    )


def summaries(plan: Plan, runs: Sequence[Run]) -> dict[str, list[Summary]]:
    """By case name, in the order of the plan, with what refers to other lines filled in."""
    found = {
        case.name: [
            summarise(case.name, server, [run for run in runs if (run.case, run.server) == (case.name, server)])
            for server in plan.servers_of(case)
        ]
        for case in plan.cases
    }
    # The application is measured alone in one case of a scenario, and is the same in all.
    alone = {
        name.partition("/")[0]: line.cpu_us
        for name, lines in found.items()
        for line in lines
        if not serves(line.server)
    }
    for case in plan.cases:
        lines = [beyond(line, alone.get(case.scenario.name)) for line in found[case.name]]
        base = next((line for line in lines if line.server == plan.reference_of(case)), None)
        found[case.name] = lines if base is None else [beside(line, base) for line in lines]
    return found


def serves(server: str) -> bool:
    return SERVERS[server].serves


def beyond(line: Summary, alone: float | None) -> Summary:
    if alone is None or line.cpu_us is None or not serves(line.server) or line.server == "floor":
        return line
    return dataclasses.replace(line, overhead_us=line.cpu_us - alone)


def beside(line: Summary, base: Summary) -> Summary:
    if line.cpu_us is not None and base.cpu_us:
        line = dataclasses.replace(line, ratio=line.cpu_us / base.cpu_us)
    if line.overhead_us is not None and base.overhead_us is not None and base.overhead_us > 0:
        line = dataclasses.replace(line, overhead_ratio=line.overhead_us / base.overhead_us)
    return line


def figures(line: Summary) -> dict[str, Any]:
    """What bars refer to, by the heads of the columns."""
    return {
        "failed": line.failed,
        "CPU µs/req": line.cpu_us,
        "overhead µs": line.overhead_us,
        "p50 ms": line.p50_ms,
        "p99 ms": line.p99_ms,
        "invol/req": line.nonvoluntary,
        "PSS MiB": line.pss_mib,
        **line.extra,
    }


def verdicts(plan: Plan, found: dict[str, list[Summary]]) -> list[bars.Verdict]:
    known = {(line.case, line.server): figures(line) for lines in found.values() for line in lines}
    return bars.judge(list(found), known, pinned=plan.cores.server is not None)


def bars_table(judged: Sequence[bars.Verdict]) -> str:
    """Bars and what was measured, a row each; to be read in a terminal and as Markdown."""
    rows = []
    for each in judged:
        kind = "moonshot: " if each.moonshot else ""
        word = each.word.upper() if each.met is False and not each.moonshot else each.word
        why = f" ({each.why})" if each.why else ""
        rows.append([each.case, kind + each.text, number(each.value, 2), number(each.ratio, 2), word + why])
    return aligned(["scenario", "bar", "measured", "ratio", ""], rows, left=2)


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
        "overhead µs": number(line.overhead_us, 1),
        f"overhead × {reference}": number(line.overhead_ratio, 2),
        "req/s": number(line.rps, 0),
        "p50 ms": number(line.p50_ms, 2),
        "p99 ms": number(line.p99_ms, 2),
        "vol/req": number(line.voluntary, 3),
        "invol/req": number(line.nonvoluntary, 3),
        "PSS MiB": number(line.pss_mib, 1),
        "busy %": number(line.busy_percent, 0),
        "other %": number(line.other_percent, 0),
    }
    if not serves(line.server):
        # It has no clients, and no memory of a server's.
        shared |= dict.fromkeys(("p50 ms", "p99 ms", "vol/req", "invol/req", "PSS MiB"), "–")
    return {
        "server": line.server,
        **{head: text for head, text in shared.items() if head in common or not common},
        **{key: number(value, 1) for key, value in line.extra.items()},
        **({"served": line.served} if line.served else {}),
        "errors": f"{line.errors}{failed}",
    }


def table(lines: Sequence[Summary], reference: str, common: Sequence[str] = ()) -> str:
    """A Markdown table that is also aligned for a terminal."""
    rows = [columns(line, reference, common) for line in lines]
    heads = [*dict.fromkeys(head for row in rows for head in row if head != "errors"), "errors"]
    # Only some scenarios know what the application costs by itself.
    heads = [
        head for head in heads if not head.startswith("overhead") or any(row.get(head, "–") != "–" for row in rows)
    ]
    return aligned(heads, [[row.get(head, "–") for head in heads] for row in rows], left=1)


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A Markdown table that can be read as it is; the first `left` columns and a last one without a head are of words."""
    widths = [max(len(head), *(len(row[column]) for row in rows)) for column, head in enumerate(heads)]
    words = [column < left or not head for column, head in enumerate(heads)]

    def line(cells: Sequence[str]) -> str:
        texts = [
            cell.ljust(width) if is_word else cell.rjust(width)
            for cell, width, is_word in zip(cells, widths, words, strict=True)
        ]
        return f"| {' | '.join(texts)} |"

    rules = ["-" * width if is_word else "-" * (width - 1) + ":" for width, is_word in zip(widths, words, strict=True)]
    return "\n".join([line(heads), line(rules), *(line(row) for row in rows)])


def section(plan: Plan, name: str, lines: Sequence[Summary]) -> tuple[str, str]:
    """Heading and table of one case."""
    case = next(case for case in plan.cases if case.name == name)
    return heading(plan, case), table(lines, plan.reference_of(case), case.scenario.columns)


def heading(plan: Plan, case: Case) -> str:
    threads = f"{case.threads} thread{'s' if case.threads > 1 else ''}"
    ideal = f", ideal {case.ideal_rps:.0f} req/s" if case.ideal_rps else ""
    load = f"{plan.connections_of(case)} connections, {plan.timing(case).seconds} s"
    first = ", before the machine's other work" if plan.goes_first(case) else ""
    return f"{case.scenario.name}: {threads}, {load}{ideal}{first}"


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


def details(plan: Plan, case: Case) -> dict[str, Any]:
    """What a reader of the record needs to make a table of its own."""
    return {
        "title": heading(plan, case),
        "columns": list(case.scenario.columns),
        **plan.timing(case)._asdict(),
    }


def write(plan: Plan, runs: Sequence[Run], versions: dict[str, str], copy: Path | None) -> Path:
    """Write both files into results/, the JSON also to `copy`; the answer is the path of the JSON."""
    now = datetime.now(UTC)
    found = summaries(plan, runs)
    judged = verdicts(plan, found)
    record = {
        "date": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions,
        "rounds": plan.rounds,
        "cases": {case.name: details(plan, case) for case in plan.cases},
        "pinned": plan.cores.server is not None,
        "reference": {case.name: plan.reference_of(case) for case in plan.cases},
        "bars": [{**dataclasses.asdict(each), "word": each.word} for each in judged],
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
    if judged:
        texts += ["## Bars", bars_table(judged)]
    path.with_suffix(".md").write_text("\n\n".join(texts) + "\n")
    return path
