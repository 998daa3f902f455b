"""Many slow clients, and an ordinary request beside them every 20 ms, with and without them on one server."""

from __future__ import annotations

from dataclasses import dataclass

import usage
from load import Outcome, Target
from probe import latencies, probe, quantile_ms, told
from program import Program

UPLOAD_BYTES = 20 * 1024
UPLOAD_SECONDS = 10.0
DOWNLOAD_BYTES = 1024 * 1024
DOWNLOAD_RATE = 50 * 1024.0


@dataclass(frozen=True)
class SlowClients:
    """As many as the scenario's connections of each kind that is on."""

    uploads: bool
    downloads: bool

    @property
    def arrival_seconds(self) -> int:
        """They come spread over one of their own lifetimes."""
        return round(DOWNLOAD_BYTES / DOWNLOAD_RATE if self.downloads else UPLOAD_SECONDS)

    def run(self, target: Target, seconds: int) -> Outcome:
        plan = {
            "port": target.port,
            "uploads": target.connections if self.uploads else 0,
            "downloads": target.connections if self.downloads else 0,
            "upload_bytes": UPLOAD_BYTES,
            "upload_seconds": UPLOAD_SECONDS,
            "download_rate": DOWNLOAD_RATE,
        }
        alone = probe(target, seconds)
        memory = usage.pss_mib(target.pid)
        with (
            usage.Peak(target.pid, target.core) as peak,
            Program("trickle", plan, target.core, background=True) as crowd,
        ):
            crowd.wait_ready(self.arrival_seconds + 20)
            start = usage.read(target.pid, target.server_core)
            beside = probe(target, seconds)
            spent = usage.between(start, usage.read(target.pid, target.server_core))
            crowd.end()
            slow = crowd.result(20)
        p99_alone, p99 = (quantile_ms(latencies(calls), 0.99) for calls in (alone, beside))
        wrong = [call for call in (*alone, *beside) if call.kind == "wrong"]
        right, failed = sum(slow["right"].values()), sum(slow["failures"].values())
        failures = [kind for kind, count in slow["failures"].items() for _ in range(count)]
        texts = [f"{len(wrong)} wrong answers to the probe"] if wrong else []
        texts += slow["wrong"][:3]
        return Outcome(
            requests=right + sum(call.kind == "ok" for call in beside),
            seconds=seconds,
            p50_ms=quantile_ms(latencies(beside), 0.5),
            p99_ms=p99,
            errors=len(wrong) + len(slow["wrong"]),
            error_text="; ".join(texts),
            extra={
                "max ms": quantile_ms(latencies(beside), 1),
                "alone p50": quantile_ms(latencies(alone), 0.5),
                "alone p99": p99_alone,
                "alone max": quantile_ms(latencies(alone), 1),
                "p99 ratio": p99 / p99_alone,
                "probes failed": sum(call.kind != "ok" for call in (*alone, *beside)),
                "slow right": right,
                "slow failed": failed,
                "MiB before": memory,
                "peak MiB": peak.mib,
                "CPU %": spent.busy_percent,
                "load CPU %": slow["core_percent"],
                "late p99": quantile_ms((call.late for call in beside), 0.99),
            },
            notes=told([*failures, *(f"probe {call.kind}" for call in (*alone, *beside) if call.kind != "ok")]),
        )
