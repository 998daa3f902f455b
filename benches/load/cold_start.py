"""From the start of a process to its first right answer, as a client sees it that tries every millisecond."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import usage
from load import LoadError, Outcome, Target
from process import READY_SECONDS, Process, free_port
from request import Request, Wrong

PAUSE = 0.001
"""Between two tries."""


class Start(NamedTuple):
    seconds: float
    cpu_seconds: float
    mib: float


@dataclass(frozen=True)
class ColdStart:
    """So many starts in a run, and one before them, after which byte code and pages are cached."""

    starts: int = 7

    def run(self, target: Target, seconds: int) -> Outcome:
        raise LoadError("a cold start is not measured on a server that is running")

    def launch(self, process: Callable[[int], Process], request: Request) -> Outcome:
        """`process` makes the server for a port, not yet started."""
        starts = [self.start(process, request) for _ in range(self.starts + 1)][1:]
        seconds = [start.seconds for start in starts]
        return Outcome(
            requests=len(starts),
            seconds=sum(seconds),
            p50_ms=1000 * statistics.median(seconds),
            p99_ms=1000 * max(seconds),
            errors=0,
            extra={
                "start ms": 1000 * statistics.median(seconds),
                "fastest ms": 1000 * min(seconds),
                "slowest ms": 1000 * max(seconds),
                "start CPU ms": 1000 * statistics.median(start.cpu_seconds for start in starts),
                "start MiB": statistics.median(start.mib for start in starts),
            },
        )

    def start(self, process: Callable[[int], Process], request: Request) -> Start:
        port = free_port()
        begin = time.monotonic()
        with process(port) as started:
            while True:
                try:
                    request.settle(port, READY_SECONDS)
                    break
                except Wrong as complaint:
                    started.must_run(complaint, begin + READY_SECONDS)
                time.sleep(PAUSE)
            taken = time.monotonic() - begin
            return Start(taken, usage.read(started.pid, None).cpu_seconds, usage.pss_mib(started.pid))
