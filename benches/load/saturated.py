"""A static file every 20 ms while the application takes all the Python there is, and before that without."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import usage
from load import LoadError, Outcome, Target, Wrk
from probe import latencies, probe, quantile_ms, told
from request import Request

AROUND_SECONDS = 3
"""The application is busy for so much longer than what counts: the probe starts, warms up, and waits for its last answer."""


@dataclass(frozen=True)
class BesideTheApplication:
    """The target's request is the probe's; its connections ask for `application`."""

    application: Request

    def run(self, target: Target, seconds: int) -> Outcome:
        if complaint := self.application.complaint(target.port):
            raise LoadError(complaint)
        alone = probe(target, seconds)
        with ThreadPoolExecutor(1) as executor:
            start = usage.read(target.pid, target.server_core)
            under_way = executor.submit(Wrk().run, replace(target, request=self.application), seconds + AROUND_SECONDS)
            beside = probe(target, seconds)
            if under_way.done():
                raise LoadError("the application's load ended before the probe")
            spent = usage.between(start, usage.read(target.pid, target.server_core))
            busy = under_way.result()
        p99_alone, p99 = (quantile_ms(latencies(calls), 0.99) for calls in (alone, beside))
        wrong = sum(call.kind == "wrong" for call in (*alone, *beside))
        texts = [f"{wrong} wrong answers to the probe"] if wrong else []
        texts += [busy.error_text] if busy.errors else []
        return Outcome(
            requests=sum(call.kind == "ok" for call in beside),
            seconds=seconds,
            p50_ms=quantile_ms(latencies(beside), 0.5),
            p99_ms=p99,
            errors=wrong + busy.errors,
            error_text="; ".join(texts),
            extra={
                "max ms": quantile_ms(latencies(beside), 1),
                "alone p50": quantile_ms(latencies(alone), 0.5),
                "alone p99": p99_alone,
                "p99 ratio": p99 / p99_alone,
                "probes failed": sum(call.kind != "ok" for call in (*alone, *beside)),
                "app req/s": busy.requests / busy.seconds,
                "CPU %": spent.busy_percent,
                "late p99": quantile_ms((call.late for call in beside), 0.99),
            },
            notes=told(call.kind for call in (*alone, *beside) if call.kind != "ok"),
        )
