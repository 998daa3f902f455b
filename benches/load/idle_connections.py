"""Thousands of keep-alive connections that were answered once and then say nothing, and a probe beside them."""

from __future__ import annotations

from dataclasses import dataclass

import usage
from load import Outcome, Target
from probe import latencies, probe, quantile_ms, told
from program import Program

OPENING_SECONDS = 120
"""For all of them."""


@dataclass(frozen=True)
class IdleConnections:
    """As many as the scenario's connections."""

    def run(self, target: Target, seconds: int) -> Outcome:
        plan = {
            "port": target.port,
            "path": target.request.path,
            "answer": target.request.answer.decode("latin-1"),
            "connections": target.connections,
        }
        alone = probe(target, seconds)
        before = usage.pss_mib(target.pid)
        with Program("idle", plan, target.core) as crowd:
            crowd.wait_ready(OPENING_SECONDS)
            start = usage.read(target.pid, target.server_core)
            beside = probe(target, seconds)
            # When they have been idle for that long.
            with_them = usage.pss_mib(target.pid)
            spent = usage.between(start, usage.read(target.pid, target.server_core))
            crowd.end()
            found = crowd.result(OPENING_SECONDS)
        p99_alone, p99 = (quantile_ms(latencies(calls), 0.99) for calls in (alone, beside))
        wrong = sum(call.kind == "wrong" for call in (*alone, *beside))
        return Outcome(
            requests=sum(call.kind == "ok" for call in beside),
            seconds=seconds,
            p50_ms=quantile_ms(latencies(beside), 0.5),
            p99_ms=p99,
            errors=wrong,
            error_text=f"{wrong} wrong answers to the probe",
            extra={
                "max ms": quantile_ms(latencies(beside), 1),
                "alone p50": quantile_ms(latencies(alone), 0.5),
                "alone p99": p99_alone,
                "p99 ratio": p99 / p99_alone,
                "probes failed": sum(call.kind != "ok" for call in (*alone, *beside)),
                "opened": found["opened"],
                "held": found["held"],
                "MiB before": before,
                "MiB with": with_them,
                "KiB/conn": 1024 * (with_them - before) / max(1, found["opened"]),
                "CPU %": spent.busy_percent,
                "late p99": quantile_ms((call.late for call in beside), 0.99),
            },
            notes=told([*found["failures"], *(call.kind for call in (*alone, *beside) if call.kind != "ok")]),
        )
