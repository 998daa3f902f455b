"""Several requests, one after the other on one server, each for as long as the scenario says: what it holds after all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from load import LoadError, Outcome, Target, Wrk
from request import Request


@dataclass(frozen=True)
class InTurn:
    """The target's own request, then these."""

    others: tuple[Request, ...]

    def run(self, target: Target, seconds: int) -> Outcome:
        outcomes = [Wrk().run(replace(target, request=request), seconds) for request in (target.request, *self.others)]
        for request in self.others:
            if complaint := request.complaint(target.port):
                raise LoadError(complaint)
        return Outcome(
            requests=sum(outcome.requests for outcome in outcomes),
            seconds=sum(outcome.seconds for outcome in outcomes),
            p50_ms=max(outcome.p50_ms for outcome in outcomes),
            p99_ms=max(outcome.p99_ms for outcome in outcomes),
            errors=sum(outcome.errors for outcome in outcomes),
            error_text="; ".join(outcome.error_text for outcome in outcomes if outcome.error_text),
        )
