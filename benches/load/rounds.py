"""One run, and the order of runs: server A, B, C, then A, B, C again, so that a slow minute of the machine hits all.

Each run is a fresh server: start, check the answer, warm up, read /proc, load, read /proc, check the answer, stop.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import app_alone
import environment
import usage
from cold_start import ColdStart
from load import LoadError, Target
from process import Process, ServerError, free_port
from request import Request
from scenarios import Case
from servers import SERVERS, Place

DISTURBED_RUNS = 3
"""So often a run is made for --quiet; the last one counts as it is."""


@dataclass(frozen=True)
class Cores:
    """Where server and load run; None when all share all cores: as asked, or as there is only one."""

    server: int | None
    load: int | None

    @classmethod
    def choose(cls, pinned: bool = True) -> Cores:
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[1]) if pinned and len(allowed) > 1 else cls(None, None)


@dataclass
class Run:
    """One line of the JSON record. `failure` is empty when the numbers count."""

    case: str
    server: str
    round: int
    failure: str = ""
    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    rps: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_us: float = 0.0
    voluntary: float = 0.0
    nonvoluntary: float = 0.0
    pss_mib: float = 0.0
    busy_percent: float = 0.0
    other_percent: float | None = None
    killed: bool = False
    extra: dict[str, float] = field(default_factory=dict)
    notes: str = ""
    served: str = ""
    """Which of several right answers the server gave."""


class Timing(NamedTuple):
    """Whole seconds under load: those that count, and those before that do not."""

    seconds: int
    warmup: int


@dataclass(frozen=True)
class Plan:
    cases: tuple[Case, ...]
    servers: tuple[str, ...]
    rounds: int
    seconds: int | None
    """Instead of what the scenario says."""
    warmup: int | None
    connections: int | None
    quiet: int | None
    """Per cent of the server's core that others may have used in a run that counts."""
    reference: str | None
    """Instead of what the scenario says."""
    place: Place
    cores: Cores
    first: bool = False
    """Every case has real-time priority."""
    may_go_first: bool = False
    """It is allowed, for scenarios that want it."""

    def goes_first(self, case: Case) -> bool:
        return self.first or (case.scenario.first and self.may_go_first)

    def reference_of(self, case: Case) -> str:
        return self.reference or case.scenario.reference

    def servers_of(self, case: Case) -> list[str]:
        """Those without threads are measured once, not again for every number of threads that others have."""
        repeated = case.threads > min(case.scenario.threads)
        return [
            name
            for name in self.servers
            if name in case.scenario.servers and (SERVERS[name].threaded or SERVERS[name].kept or not repeated)
        ]

    def compares_files(self) -> bool:
        """Whether monopod and nginx serve the same files in one of the cases."""
        both = {"monopod", "nginx"}
        return any(both <= set(self.servers_of(case)) for case in self.cases)

    def timing(self, case: Case) -> Timing:
        scenario = case.scenario
        # None of its own: the load warms up in a way of its own.
        warmup = scenario.warmup if self.warmup is None or scenario.warmup == 0 else self.warmup
        return Timing(scenario.seconds if self.seconds is None else self.seconds, warmup)

    def connections_of(self, case: Case) -> int:
        return case.scenario.connections if self.connections is None else self.connections

    def runs(self) -> Iterator[Run]:
        for case in self.cases:
            for number in range(1, self.rounds + 1):
                for name in self.servers_of(case):
                    for _ in range(DISTURBED_RUNS):
                        with environment.going_first() if self.goes_first(case) else nullcontext():
                            run = self.run(case, name, number)
                        if not self.disturbed(run):
                            break
                        print(f"disturbed by others ({run.other_percent:.0f} % of the core): again", flush=True)
                    yield run

    def disturbed(self, run: Run) -> bool:
        return self.quiet is not None and not run.failure and (run.other_percent or 0) > self.quiet

    def count(self) -> int:
        return self.rounds * sum(len(self.servers_of(case)) for case in self.cases)

    def estimate(self) -> int:
        """Seconds for all runs, with one second each to start and stop."""
        seconds = 0
        for case in self.cases:
            scenario, timing = case.scenario, self.timing(case)
            each = timing.seconds * scenario.phases + timing.warmup + scenario.around_seconds + 1
            seconds += len(self.servers_of(case)) * each
        return self.rounds * seconds

    def run(self, case: Case, name: str, number: int) -> Run:
        result = Run(case.name, name, number)
        scenario = case.scenario
        if not SERVERS[name].serves:
            self.call(case, name, result)
            return result
        with tempfile.TemporaryDirectory(prefix="load-") as directory:
            log = Path(directory) / "log"
            if isinstance(scenario.load, ColdStart):
                self.launch(case, name, log, result)
                return result
            port = free_port()
            process = self.process(case, name, port, log)
            try:
                with process:
                    request = process.wait_ready(scenario.request, port)
                    try:
                        self.measure(case, process, request, port, result)
                    except LoadError as error:
                        result.failure = str(error)
                    if result.failure:
                        result.failure += f"\n{process.log_end()}"
            except ServerError as error:
                result.failure = str(error)
            result.killed = process.killed
        return result

    def process(self, case: Case, name: str, port: int, log: Path) -> Process:
        scenario = case.scenario
        place = replace(self.place, room=scenario.room)
        command = SERVERS[name].start(place, scenario.app, port, case.threads)
        command += scenario.server_options.get(name, ())
        return Process(command, log, self.cores.server)

    def call(self, case: Case, name: str, result: Run) -> None:
        """No server: the application alone."""
        scenario, core = case.scenario, self.cores.server
        assert isinstance(scenario.request, Request)
        command = SERVERS[name].start(self.place, scenario.app, 0, case.threads)
        try:
            found = app_alone.call(command, scenario.app, scenario.request, *self.timing(case), core)
        except LoadError as error:
            result.failure = str(error)
            return
        result.requests, result.seconds = found["calls"], found["seconds"]
        result.rps = found["calls"] / found["seconds"]
        result.cpu_us = 1e6 * found["cpu_seconds"] / found["calls"]
        result.busy_percent = 100 * found["cpu_seconds"] / found["seconds"]
        if core is not None:
            # It never waits: what it did not get, others had.
            result.other_percent = max(0.0, 100 - result.busy_percent)

    def launch(self, case: Case, name: str, log: Path, result: Run) -> None:
        """Fresh processes, one after the other."""
        load, request = case.scenario.load, case.scenario.request
        assert isinstance(load, ColdStart)
        assert isinstance(request, Request)
        try:
            outcome = load.launch(lambda port: self.process(case, name, port, log), request)
        except ServerError as error:
            result.failure = str(error)
            return
        result.requests, result.seconds = outcome.requests, outcome.seconds
        result.p50_ms, result.p99_ms, result.extra = outcome.p50_ms, outcome.p99_ms, dict(outcome.extra)

    def measure(self, case: Case, process: Process, request: Request, port: int, result: Run) -> None:
        scenario, cores = case.scenario, self.cores
        seconds, warmup = self.timing(case)
        target = Target(
            request=request,
            port=port,
            connections=self.connections_of(case),
            threads=case.threads,
            pid=process.pid,
            server_core=cores.server,
            core=cores.load,
        )
        if warmup > 0:
            scenario.load.run(target, warmup)
        start = usage.read(process.pid, cores.server)
        outcome = scenario.load.run(target, seconds)
        spent = usage.between(start, usage.read(process.pid, cores.server))
        result.pss_mib = usage.pss_mib(process.pid)
        result.served = request.served
        result.requests, result.errors, result.seconds = outcome.requests, outcome.errors, outcome.seconds
        result.p50_ms, result.p99_ms = outcome.p50_ms, outcome.p99_ms
        result.rps = outcome.requests / outcome.seconds
        result.busy_percent = spent.busy_percent
        if cores.server is not None:
            result.other_percent = spent.other_percent
        result.extra, result.notes = dict(outcome.extra), outcome.notes
        if case.ideal_rps:
            result.extra["% of ideal"] = 100 * result.rps / case.ideal_rps
            # All clients wait all the time, for each other too.
            result.extra["p99 × ideal"] = outcome.p99_ms / (1000 * target.connections / case.ideal_rps)
        if outcome.errors:
            result.failure = outcome.error_text or f"{outcome.errors} errors"
        elif outcome.requests == 0:
            result.failure = "no request was answered"
        elif not scenario.ends and (complaint := request.complaint(port)):
            result.failure = f"after the load: {complaint}"
        if outcome.requests and not scenario.ends:
            result.cpu_us = 1e6 * spent.cpu_seconds / outcome.requests
            result.voluntary = spent.voluntary / outcome.requests
            result.nonvoluntary = spent.nonvoluntary / outcome.requests
