"""SIGTERM under load: which requests broke, and which found nobody while balancers had not heard yet."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

import usage
from load import LoadError, Outcome, Target
from probe import told
from program import Program

DRAIN_SECONDS = 3
"""What servers that have one are given as the time in which balancers come to know (`--drain-delay`)."""
GONE_SECONDS = 20
LAST_TRY_SECONDS = 0.5
PATIENCE = 5.0
"""Seconds for an answer."""


@dataclass(frozen=True)
class Sigterm:
    """As many keep-alive clients as the scenario's connections, each with a request under way nearly all the time."""

    def run(self, target: Target, seconds: int) -> Outcome:
        plan = {
            "port": target.port,
            "path": target.request.path,
            "answer": target.request.answer.decode("latin-1"),
            "clients": target.connections,
            "timeout": PATIENCE,
        }
        with Program("loops", plan, target.core) as clients:
            clients.wait_ready(20)
            time.sleep(seconds)
            told_at = time.monotonic()
            os.kill(target.pid, signal.SIGTERM)
            while any(found.running for found in usage.tree(target.pid).values()):
                if time.monotonic() > told_at + GONE_SECONDS:
                    raise LoadError(f"still there {GONE_SECONDS} s after SIGTERM")
                time.sleep(0.01)
            gone = time.monotonic() - told_at
            # Until each client has tried once more.
            time.sleep(LAST_TRY_SECONDS)
            clients.end()
            found = clients.result(PATIENCE + 20)
        # (when, how it ended): `time.monotonic` is one clock for all processes.
        after = [(at - told_at, kind) for at, kind in found["ended"] if at >= told_at]
        refused = [at for at, kind in after if kind == "refused"]
        broken = [(at, kind) for at, kind in after if kind not in ("ok", "refused")]
        before = [kind for at, kind in found["ended"] if at < told_at and kind != "ok"]
        return Outcome(
            requests=sum(kind == "ok" for _, kind in found["ended"]),
            seconds=seconds + gone,
            p50_ms=0,
            p99_ms=0,
            errors=len(before),
            error_text=f"before SIGTERM: {told(before)}",
            extra={
                "broken": len(broken),
                "refused early": sum(at < DRAIN_SECONDS for at in refused),
                "right after": sum(kind == "ok" for _, kind in after),
                "first refused s": min(refused, default=gone),
                "gone after s": gone,
            },
            notes=told(f"{kind} at {at:.1f} s" for at, kind in broken),
        )
