"""Three times as many requests as the server can answer, from clients that do not wait for each other.

One run is one schedule: a quarter of the capacity (normal latency), the overload until it has settled, the overload that
counts, a quarter again until latency is normal.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import usage
from load import LoadError, Outcome, Target, Wrk
from probe import CLIENT_SECONDS, Call, arrive, quantile_ms, told

TIMES = 3.0
LIGHT = 0.25
CAPACITY_SECONDS = 4
NORMAL_SECONDS = 4.0
SETTLE_SECONDS = CLIENT_SECONDS + 1
AFTER_SECONDS = 10.0
IDLE_SECONDS = 120
PROMPT = 0.05
"""Seconds within which a refusal is worth something to a client."""


@dataclass(frozen=True)
class Overload:
    keep_alive: bool
    around_seconds: int = round(CAPACITY_SECONDS + NORMAL_SECONDS + SETTLE_SECONDS + AFTER_SECONDS + 2)

    def run(self, target: Target, seconds: int) -> Outcome:
        closed_loop = replace(target, connections=2 * target.threads)
        capacity = Wrk().run(closed_loop, CAPACITY_SECONDS)
        if capacity.errors:
            raise LoadError(f"at capacity: {capacity.error_text}")
        rate = capacity.requests / capacity.seconds
        phases = [(LIGHT, NORMAL_SECONDS), (TIMES, SETTLE_SECONDS), (TIMES, float(seconds)), (LIGHT, AFTER_SECONDS)]
        with usage.Peak(target.pid, target.core) as peak:
            start = usage.read(target.pid, target.server_core)
            arrived = arrive(
                target, [(rate * times, length) for times, length in phases], keep_alive=self.keep_alive, poisson=True
            )
            spent = usage.between(start, usage.read(target.pid, target.server_core))
        begin = NORMAL_SECONDS + SETTLE_SECONDS
        end = begin + seconds
        good = [call for call in arrived.calls if call.kind == "ok" and begin <= call.ended < end]
        sent = arrived.phase(2)
        refused = [call for call in sent if call.kind == "503"]
        normal = [call for call in arrived.phase(0) if call.kind == "ok"]
        normal_p99 = quantile_ms((call.latency for call in normal), 0.99)
        wrong = [call for call in arrived.calls if call.kind in ("wrong", "malformed")]
        extra = {
            "capacity": rate,
            "offered": len(sent) / seconds,
            "goodput %": 100 * len(good) / seconds / rate,
            "max ms": quantile_ms((call.latency for call in good), 1),
            "503 %": 100 * len(refused) / len(sent),
            "unanswered %": 100 * sum(call.kind == "timeout" for call in sent) / len(sent),
            "broken": sum(call.kind not in ("ok", "503", "timeout") for call in arrived.calls),
            "normal p99": normal_p99,
            "back after s": settled(arrived.phase(3), end, 2 * normal_p99 / 1000),
            "peak MiB": peak.mib,
            "CPU ms/good": 1000 * spent.cpu_seconds / max(1, sum(call.kind == "ok" for call in arrived.calls)),
            "load CPU %": arrived.core_percent,
            "late p99": quantile_ms((call.late for call in sent), 0.99),
            "late max": quantile_ms((call.late for call in sent), 1),
            "connections": arrived.opened,
        }
        if refused:
            extra["503 p50"] = quantile_ms((call.latency for call in refused), 0.5)
            extra["503 p99"] = quantile_ms((call.latency for call in refused), 0.99)
            extra["503 prompt %"] = 100 * sum(call.latency <= PROMPT for call in refused) / len(refused)
        self.wait_idle(target)
        return Outcome(
            requests=len(good),
            seconds=seconds,
            p50_ms=quantile_ms((call.latency for call in good), 0.5),
            p99_ms=quantile_ms((call.latency for call in good), 0.99),
            errors=len(wrong),
            error_text=told(call.kind for call in wrong),
            extra=extra,
            notes=told(call.kind for call in sent),
        )

    def wait_idle(self, target: Target) -> None:
        """Some servers go on for long with requests whose clients have left. The run's last check comes after that."""
        deadline = time.monotonic() + IDLE_SECONDS
        while target.request.complaint(target.port) and time.monotonic() < deadline:
            time.sleep(0.5)


def settled(calls: Sequence[Call], begin: float, limit: float) -> float:
    """Seconds after `begin` from when on, for a second, at most one call in twenty failed or took longer than `limit`.

    As many as were watched when that never came.
    """
    ordered = sorted(calls, key=lambda call: call.planned)
    for first, call in enumerate(ordered):
        following = [later for later in ordered[first:] if later.planned < call.planned + 1]
        slow = sum(later.kind != "ok" or later.latency > limit for later in following)
        if slow <= len(following) / 20:
            return call.planned - begin
    return AFTER_SECONDS
