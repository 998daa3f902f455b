"""A client program of clients/: started on the load's core, told a plan as JSON, its result is JSON on stdout."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from load import LoadError
from servers import HERE


class Program:
    """`with Program("arrivals", plan, core) as program:` — it is gone when the block is left."""

    def __init__(self, name: str, plan: Mapping[str, Any], core: int | None, *, background: bool = False) -> None:
        self.name = name
        self.plan = json.dumps(plan)
        self.core = core
        self.background = background
        """Its work is never in the way of a program that measures on the same core."""

    def take_place(self) -> None:
        """In the child: its core, and its rank among the programs there. A client that waits for another client's time
        slice would report that as the server's latency."""
        if self.core is not None:
            os.sched_setaffinity(0, {self.core})
        real_time = os.sched_getscheduler(0) == os.SCHED_RR
        if real_time and not self.background:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))
        elif self.background and not real_time:
            os.nice(19)

    def __enter__(self) -> Program:
        self.child = subprocess.Popen(
            [sys.executable, str(HERE / "clients" / f"{self.name}.py"), self.plan],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=self.take_place,
        )
        self.started = time.monotonic()
        return self

    def wait_ready(self, seconds: float) -> None:
        assert self.child.stdout is not None
        if not select.select([self.child.stdout], [], [], seconds)[0]:
            raise LoadError(f"{self.name} was not ready within {seconds:.0f} s")
        if self.child.stdout.readline() != "ready\n":
            raise LoadError(f"{self.name} ended early: {self.child.communicate()[1]}")

    def end(self) -> None:
        """Ask it to come to an end before its plan is done."""
        self.child.terminate()

    def result(self, seconds: float) -> dict[str, Any]:
        """Wait for its end, at most so many seconds."""
        try:
            output, errors = self.child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise LoadError(f"{self.name} did not end within {seconds:.0f} s") from error
        if self.child.returncode != 0:
            raise LoadError(f"{self.name} ended with {self.child.returncode}: {errors}")
        found: dict[str, Any] = json.loads(output)
        found["core_percent"] = 100 * found["cpu_seconds"] / (time.monotonic() - self.started)
        return found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.communicate()
