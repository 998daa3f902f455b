"""python3 benches/load/syscalls.py: system calls per request of servers under a fixed number of requests, by `strace -c -f`.

Prints a table for each scenario and writes results/syscalls-DATE.json. strace slows a server manyfold and one system
call more than another: this says which calls there are, not what they cost, nor how often a server that is not watched
would have slept. Exit code: as run.py.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import environment
import report
import usage
from load import LoadError
from process import Process, ServerError, free_port
from program import Program
from rounds import Cores
from run import EX_UNAVAILABLE, names, positive
from scenarios import SCENARIOS, Scenario
from servers import SERVERS, Place

SCENARIO_NAMES = ("hello", "flask_json")
SHOWN = 12
"""Rows of a table; the rest is in the sum."""
ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", re.MULTILINE)
ATTACH_SECONDS = 20.0


@dataclass(frozen=True)
class Counted:
    """One server in one scenario."""

    scenario: str
    server: str
    threads: int
    requests: int
    calls: dict[str, int]
    voluntary: float
    nonvoluntary: float
    """Context switches per request of the same requests without strace."""

    def per_request(self, name: str) -> float:
        return self.calls.get(name, 0) / self.requests

    @property
    def total(self) -> float:
        return sum(self.calls.values()) / self.requests


@contextmanager
def traced(pids: list[int], output: Path) -> Iterator[None]:
    """All threads of these processes, and those they start, are watched in the block."""
    command = ["strace", "-c", "-f", "-o", str(output), *(part for pid in pids for part in ("-p", str(pid)))]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_attached(tracer, len(pids))
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        try:
            tracer.communicate(timeout=ATTACH_SECONDS)
        except subprocess.TimeoutExpired:
            tracer.kill()
            tracer.communicate()


def wait_attached(tracer: subprocess.Popen[bytes], processes: int) -> None:
    """Until strace has told of each process that it is attached; with several threads, of all of them at once."""
    assert tracer.stderr is not None
    deadline = time.monotonic() + ATTACH_SECONDS
    said = b""
    while len(re.findall(rb"Process \d+ attached", said)) < processes:
        if not select.select([tracer.stderr], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise LoadError(f"strace did not attach: {said.decode(errors='replace')}")
        # Not readline: what its buffer held back, select() would wait for in vain.
        piece = os.read(tracer.stderr.fileno(), 65536)
        if not piece:
            raise LoadError(f"strace ended: {said.decode(errors='replace').strip()}")
        said += piece


def count(scenario: Scenario, server: str, threads: int, requests: int, place: Place, cores: Cores) -> Counted:
    with tempfile.TemporaryDirectory(prefix="load-") as directory:
        port, output = free_port(), Path(directory) / "strace"
        command = SERVERS[server].start(place, scenario.app, port, threads)
        command += scenario.server_options.get(server, ())
        with Process(command, Path(directory) / "log", cores.server) as process:
            request = process.wait_ready(scenario.request, port)
            plan = {
                "port": port,
                "path": request.path,
                "answer": request.answer.decode("latin-1"),
                "connections": scenario.connections,
                "warmup": requests // 2,
                "requests": requests,
                "timeout": 30.0,
            }

            def send() -> None:
                client.end()
                right = client.result(120)["right"]
                if right != requests:
                    raise LoadError(f"{requests - right} wrong answers")

            with Program("fixed", plan, cores.load) as client:
                client.wait_ready(30)
                before = usage.read(process.pid, cores.server)
                send()
                spent = usage.between(before, usage.read(process.pid, cores.server))
            with Program("fixed", plan, cores.load) as client:
                client.wait_ready(30)
                with traced(sorted(usage.tree(process.pid)), output):
                    send()
        rows = ROW.findall(output.read_text())
    calls = {name: int(number) for number, name in rows if name != "total"}
    if not calls:
        raise LoadError("strace counted nothing")
    switches = (spent.voluntary / requests, spent.nonvoluntary / requests)
    return Counted(scenario.name, server, threads, requests, calls, *switches)


def table(counted: list[Counted]) -> str:
    """A column a server, a row a system call, the most frequent first, then by name."""
    every = {name for each in counted for name in each.calls}
    order = sorted(every, key=lambda name: (-max(each.per_request(name) for each in counted), name))[:SHOWN]
    rows = [[name, *(f"{each.per_request(name):.3f}" for each in counted)] for name in order]
    rows.append(["all system calls", *(f"{each.total:.3f}" for each in counted)])
    rows.append(["switches, voluntary", *(f"{each.voluntary:.3f}" for each in counted)])
    rows.append(["switches, forced", *(f"{each.nonvoluntary:.3f}" for each in counted)])
    heads = ["per request", *(each.server for each in counted)]
    return report.aligned(heads, rows, left=1)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="syscalls.py", description="System calls per request; see README.md.")
    made.add_argument("--servers", type=names, default=names("monopod,granian,bjoern"))
    made.add_argument("--threads", type=positive, default=1)
    made.add_argument("--requests", type=positive, default=10_000, help="that count, of each server (10000)")
    made.add_argument("--monopod", type=Path)
    made.add_argument("--python", default=sys.executable)
    return made


def main() -> int:
    arguments = parser().parse_args()
    scenarios = [SCENARIOS[name] for name in SCENARIO_NAMES]
    try:
        if shutil.which("strace") is None:
            environment.install_debian("strace", "it counts the system calls")
        chosen = [SERVERS[name] for name in arguments.servers]
        for server in chosen:
            environment.need_parts_of(server)
        venv = environment.need_venv(arguments.python, chosen, scenarios)
        monopod = environment.find_monopod(arguments.monopod, venv) if "monopod" in arguments.servers else None
    except environment.Missing as error:
        print(f"syscalls.py: {error}", file=sys.stderr)
        return EX_UNAVAILABLE
    place, cores, found, failed = Place(venv, monopod), Cores.choose(), [], False
    for scenario in scenarios:
        counted = []
        for server in arguments.servers:
            try:
                counted.append(count(scenario, server, arguments.threads, arguments.requests, place, cores))
            except (LoadError, ServerError) as error:
                print(f"{scenario.name} {server} FAILED: {error}", file=sys.stderr)
                failed = True
        if counted:
            print(
                f"\n{scenario.name}, {scenario.connections} connections, {arguments.requests} requests\n{table(counted)}"
            )
        found += counted
    now = datetime.now(UTC)
    report.RESULTS.mkdir(exist_ok=True)
    path = report.RESULTS / f"syscalls-{now:%Y-%m-%dT%H%M%SZ}.json"
    record = {"date": now.isoformat(timespec="seconds"), "counted": [asdict(each) for each in found]}
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"\nwritten: {path}")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(main())
