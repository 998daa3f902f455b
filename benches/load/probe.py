"""Requests on a schedule of their own, from the program clients/arrivals.py, and what their latencies come to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from load import Target
from program import Program

CLIENT_SECONDS = 5.0
"""How long a client waits for its answer before it leaves."""
PROBE_RATE = 50.0
"""One every 20 ms."""


class Call(NamedTuple):
    phase: int
    planned: float
    """Seconds after the first phase began."""
    late: float
    """How much later it was really sent: the fault of the generator."""
    latency: float
    """Seconds from `planned` to the last byte, or to the failure."""
    kind: str
    """ok, wrong, a status other than 200, timeout, or how the connection broke."""

    @property
    def ended(self) -> float:
        return self.planned + self.latency


@dataclass(frozen=True)
class Arrived:
    calls: list[Call]
    opened: int
    """Connections."""
    core_percent: float
    """Of the load's core, used by the generator."""

    def phase(self, number: int) -> list[Call]:
        return [call for call in self.calls if call.phase == number]


def arrivals(
    target: Target, phases: Sequence[tuple[float, float]], *, keep_alive: bool = False, poisson: bool = False
) -> Program:
    """The program for these phases, each (requests a second, seconds), one after the other; to be started by `with`."""
    plan = {
        "port": target.port,
        "path": target.request.path,
        "headers": dict(target.request.headers),
        # A character for each byte: the plan is text, and an answer may be anything.
        "answer": target.request.answer.decode("latin-1"),
        "phases": phases,
        "keep_alive": keep_alive,
        "timeout": CLIENT_SECONDS,
        "poisson": poisson,
    }
    return Program("arrivals", plan, target.core)


def finished(program: Program, seconds: float) -> Arrived:
    """What it saw; it must end in so many seconds."""
    found = program.result(seconds)
    return Arrived([Call(*call) for call in found["calls"]], found["opened"], found["core_percent"])


def arrive(
    target: Target, phases: Sequence[tuple[float, float]], *, keep_alive: bool = False, poisson: bool = False
) -> Arrived:
    """Run the phases to their end."""
    with arrivals(target, phases, keep_alive=keep_alive, poisson=poisson) as program:
        return finished(program, sum(seconds for _, seconds in phases) + CLIENT_SECONDS + 20)


def probe(target: Target, seconds: float) -> list[Call]:
    """A new connection every 20 ms, a second to warm up, and then what counts."""
    return arrive(target, [(PROBE_RATE, 1.0), (PROBE_RATE, seconds)]).phase(1)


def quantile_ms(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed, in milliseconds; 0 without values."""
    ordered = sorted(values)
    return 1000 * ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def latencies(calls: Iterable[Call]) -> list[float]:
    """A failed call counts as one for which the client waited in vain to the end."""
    return [call.latency if call.kind == "ok" else max(call.latency, CLIENT_SECONDS) for call in calls]


def told(kinds: Iterable[str]) -> str:
    return ", ".join(f"{count} × {kind}" for kind, count in Counter(kinds).most_common())
