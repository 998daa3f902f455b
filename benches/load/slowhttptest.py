"""The four attacks of Debian's slowhttptest, with a request of our own beside them every 20 ms.

What counts: nobody else notices, and those who hold a connection lose it in bounded time.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import usage
from load import LoadError, Outcome, Target
from probe import PROBE_RATE, arrivals, finished, latencies, probe, quantile_ms, told

ALONE_SECONDS = 10
CONNECTIONS_PER_SECOND = 200
OTHERS = 10
"""Sockets of the probe, the tool's probe, and between nginx and what stands behind it, at most."""
COLOUR = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True)
class SlowHttpTest:
    path: str
    options: tuple[str, ...]

    def run(self, target: Target, seconds: int) -> Outcome:
        alone = probe(target, ALONE_SECONDS)
        with (
            usage.Peak(target.pid, target.core) as peak,
            arrivals(target, [(PROBE_RATE, 1.0), (PROBE_RATE, seconds + 60.0)]) as program,
            tempfile.TemporaryDirectory(prefix="slowhttptest-") as directory,
        ):
            start = usage.read(target.pid, target.server_core)
            verdict, rows, held = self.attack(target, seconds, Path(directory))
            spent = usage.between(start, usage.read(target.pid, target.server_core))
            program.end()
            beside = finished(program, 20).phase(1)
        if not beside or not rows:
            raise LoadError(f"slowhttptest ended at once: {verdict}")
        lasted = int(rows[-1]["Seconds"])
        open_now = [int(row["Connected"]) + int(row["Pending"]) for row in rows]
        cut = "No open connections left" in verdict
        p99_alone, p99 = (quantile_ms(latencies(calls), 0.99) for calls in (alone, beside))
        wrong = sum(call.kind == "wrong" for call in (*alone, *beside))
        return Outcome(
            requests=sum(call.kind == "ok" for call in beside),
            seconds=max(1, lasted),
            p50_ms=quantile_ms(latencies(beside), 0.5),
            p99_ms=p99,
            errors=wrong,
            error_text="wrong answers to the probe",
            extra={
                "max ms": quantile_ms(latencies(beside), 1),
                "alone p99": p99_alone,
                "p99 ratio": p99 / p99_alone,
                "probes failed": sum(call.kind != "ok" for call in (*alone, *beside)),
                "most held": max(open_now),
                "still held": 0 if cut else open_now[-1],
                "lasted s": lasted,
                "freed s": held,
                "its probe %": 100 * sum(row["Service Available"] != "0" for row in rows) / len(rows),
                "peak MiB": peak.mib,
                "CPU %": spent.busy_percent,
            },
            notes="; ".join(filter(None, [verdict, told(call.kind for call in beside if call.kind != "ok")])),
        )

    def attack(self, target: Target, seconds: int, directory: Path) -> tuple[str, list[dict[str, str]], float]:
        """The tool's own word on how it ended, its count of connections second by second, what `watch` saw."""
        core = target.core

        def prepare() -> None:
            if core is not None:
                os.sched_setaffinity(0, {core})
            # It spins. With --first's real-time priority it would use up what the kernel grants that, and stop the probe.
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

        command = [
            "slowhttptest", *self.options,
            "-u", f"http://127.0.0.1:{target.port}{self.path}",
            "-c", str(target.connections),
            "-r", str(CONNECTIONS_PER_SECOND),
            "-l", str(seconds),
            "-p", "3",
            "-g", "-o", str(directory / "report"),
        ]  # fmt: skip
        log = directory / "log"
        with log.open("wb") as output_file:
            tool = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output_file,
                stderr=subprocess.STDOUT,
                preexec_fn=prepare,
            )
            try:
                held = self.watch(tool, target, seconds + 30)
            finally:
                tool.kill()
                tool.wait()
        output = COLOUR.sub("", log.read_text(errors="replace"))
        verdict = re.search(r"Exit status:\s*(.+)", output)
        report = directory / "report.csv"
        if verdict is None or not report.exists():
            raise LoadError(f"slowhttptest ended with {tool.returncode}: {output[-500:]}")
        with report.open(newline="") as file:
            return verdict[1].strip(), list(csv.DictReader(file)), held

    def watch(self, tool: subprocess.Popen[bytes], target: Target, seconds: int) -> float:
        """Wait for its end. Seconds until the server held no more sockets than before, a few of others aside.

        That is not what the tool sees: with unsent bytes in the kernel, a closed connection looks open to the client.
        """
        before = usage.sockets(target.pid)
        start = last = time.monotonic()
        while tool.poll() is None:
            time.sleep(1)
            now = time.monotonic()
            if now > start + seconds:
                raise LoadError(f"slowhttptest did not end within {seconds} s")
            if usage.sockets(target.pid) > before + OTHERS:
                last = now
        return last - start
