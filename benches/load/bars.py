"""What monopod has to reach beside its peers, as data, and whether it did in the runs at hand.

A bar is a limit to one of monopod's figures: a number, or so many times a peer's figure in the same runs. A moonshot is
one that need not be reached, but told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

OURS = "monopod"


@dataclass(frozen=True)
class Mark:
    """Whose figure the limit refers to; threads: those of the case itself, unless named. Of several the lowest counts."""

    server: str
    threads: tuple[int, ...] = ()

    def __str__(self) -> str:
        match self.threads:
            case ():
                return self.server
            case (one,):
                return f"{self.server} with {one} thread{'s' if one > 1 else ''}"
            case several:
                return f"{self.server}'s best of {' and '.join(map(str, several))} threads"


@dataclass(frozen=True)
class Bar:
    scenario: str
    measure: str
    """The head of a column."""
    limit: float
    of: Mark | None = None
    plus: float = 0.0
    """Added to so many times the mark's figure."""
    at_least: bool = False
    threads: int | None = None
    """The only case it is for; None: each."""
    moonshot: bool = False
    one_core: bool = False
    """It is about a server that has one core to itself, and says nothing of a run with --unpinned."""

    def __str__(self) -> str:
        limit = f"{self.limit:g}" if self.of is None else f"{self.limit:.2f} × {self.of}"
        plus = f" + {self.plus:g}" if self.plus else ""
        return f"{self.measure} {'≥' if self.at_least else '≤'} {limit}{plus}"


@dataclass(frozen=True)
class Verdict:
    """One bar in one case."""

    case: str
    text: str
    moonshot: bool
    value: float | None = None
    ratio: float | None = None
    """Of value by the mark's figure, where there is a mark."""
    met: bool | None = None
    """None: it could not be told."""
    why: str = ""

    @property
    def word(self) -> str:
        return "not measured" if self.met is None else "met" if self.met else "missed"


def moonshot(bar: Bar) -> Bar:
    return replace(bar, moonshot=True)


def cpu(scenario: str, limit: float, server: str, *threads: int) -> Bar:
    return Bar(scenario, "CPU µs/req", limit, Mark(server, threads))


def framework(scenario: str) -> Iterator[Bar]:
    yield cpu(scenario, 1.00, "bjoern")
    yield cpu(scenario, 0.92, "granian", 1, 8)
    yield Bar(scenario, "overhead µs", 0.50, Mark("granian", (1, 8)))
    yield Bar(scenario, "p99 ms", 1.5, Mark(OURS, (1,)), threads=8)
    yield moonshot(cpu(scenario, 0.93, "bjoern"))


BARS: tuple[Bar, ...] = (
    cpu("hello", 0.70, "granian"),
    cpu("hello", 1.10, "bjoern"),
    Bar("hello", "invol/req", 0.1, one_core=True),
    moonshot(cpu("hello", 1.00, "bjoern")),
    *framework("flask_json"),
    Bar("flask_json", "invol/req", 0.1, one_core=True),
    *framework("django_view"),
    cpu("post_10k", 1.00, "granian"),
    moonshot(cpu("post_10k", 1.00, "fastwsgi")),
    cpu("post_1m", 1.00, "granian"),
    moonshot(cpu("post_1m", 1.00, "fastwsgi")),
    cpu("stream", 0.75, "granian"),
    moonshot(cpu("stream", 1.00, "fastwsgi")),
    cpu("file_wrapper", 0.60, "granian"),
    # Which has the kernel send the file.
    moonshot(cpu("file_wrapper", 1.00, "gunicorn")),
    Bar("io_bound", "% of ideal", 98, at_least=True),
    Bar("io_bound", "p99 × ideal", 1.3),
    moonshot(Bar("io_bound", "% of ideal", 99.5, at_least=True)),
    moonshot(cpu("io_bound", 1.00, "granian")),
    cpu("static_small", 1.15, "nginx"),
    moonshot(cpu("static_small", 1.00, "nginx")),
    cpu("static_304", 1.15, "nginx"),
    moonshot(cpu("static_304", 1.00, "nginx")),
    cpu("static_large", 1.70, "nginx"),
    moonshot(cpu("static_large", 1.00, "nginx")),
    cpu("static_large_identity", 1.20, "nginx"),
    moonshot(cpu("static_large_identity", 1.00, "nginx")),
    Bar("slow_clients", "p99 ms", 1.00, Mark("nginx+uwsgi")),
    Bar("slow_clients", "p99 ms", 1.00, Mark("nginx+gunicorn")),
    Bar("slow_clients", "p99 ratio", 1.5),
    Bar("slow_clients", "peak MiB", 1.00, Mark("nginx+gunicorn")),
    Bar("slow_clients", "probes failed", 0),
    Bar("slow_clients", "slow failed", 0),
    # As much as without them; a p99 of a thousand probes is not more exact than this.
    moonshot(Bar("slow_clients", "p99 ratio", 1.1)),
    Bar("overload", "goodput %", 95, at_least=True),
    Bar("overload", "503 p99", 50),
    Bar("overload", "unanswered %", 0),
    Bar("overload", "back after s", 1.0),
    moonshot(Bar("overload", "goodput %", 98, at_least=True)),
    # The moonshot, the same over a thousand rollouts, is for a cluster to show.
    Bar("sigterm", "broken", 0),
    Bar("sigterm", "refused early", 0),
    Bar("cold_start", "start ms", 1.05, Mark("bjoern"), plus=20),
    moonshot(Bar("cold_start", "start ms", 1.00, Mark("bjoern"))),
    Bar("memory", "PSS MiB", 1.00, Mark("gunicorn")),
    moonshot(Bar("memory", "PSS MiB", 0.50, Mark("nginx+gunicorn"))),
    Bar("memory_4_workers", "PSS MiB", 1.00, Mark("gunicorn")),
    moonshot(Bar("memory_4_workers", "PSS MiB", 0.50, Mark("nginx+gunicorn"))),
    Bar("static_while_python_is_saturated", "p99 ratio", 1.5),
    Bar("static_while_python_is_saturated", "probes failed", 0),
    # The clients of the application compete for the cores as well, so there is no telling from the probe alone.
    Bar("mixed", "p99 ms", 1.00, Mark("granian")),
    Bar("mixed", "probes failed", 0),
    moonshot(Bar("mixed", "p99 ratio", 1.5)),
)

Figures = Mapping[tuple[str, str], Mapping[str, Any]]
"""(case, server) to its figures by the heads of their columns, and under `failed` how many runs did not count."""


def judge(cases: Sequence[str], figures: Figures, pinned: bool) -> list[Verdict]:
    """Every bar of these cases that the run can tell of, bars before moonshots."""
    verdicts = []
    for case in cases:
        scenario, _, threads = case.partition("/")
        its_own = [bar for bar in BARS if bar.scenario == scenario and bar.threads in (None, int(threads))]
        its_own = [bar for bar in its_own if pinned or not bar.one_core]
        verdicts += [verdict(bar, case, figures) for bar in sorted(its_own, key=lambda bar: bar.moonshot)]
    return verdicts


def verdict(bar: Bar, case: str, figures: Figures) -> Verdict:
    found = Verdict(case, str(bar), bar.moonshot)
    ours = figures.get((case, OURS))
    if ours is None:
        return replace(found, why="monopod was not measured")
    if ours["failed"]:
        return replace(found, met=False, why="a run of monopod's failed")
    value = ours.get(bar.measure)
    if value is None:
        return replace(found, why=f"monopod has no {bar.measure}")
    found = replace(found, value=value)
    limit, ratio = bar.limit, None
    if bar.of is not None:
        cases = [f"{bar.scenario}/{count}" for count in bar.of.threads] or [case]
        bases = [figures.get((each, bar.of.server), {}).get(bar.measure) for each in cases]
        known = [base for base in bases if base is not None]
        if len(known) < len(bases) or not known or min(known) <= 0:
            return replace(found, why=f"{bar.of} was not measured")
        ratio = value / min(known)
        limit = bar.limit * min(known) + bar.plus
    return replace(found, ratio=ratio, met=value >= limit if bar.at_least else value <= limit)
