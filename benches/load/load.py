"""What puts load on a server and counts what came back.

`Load` is the seam: a scenario whose clients are slow, impatient or malicious brings its own. `Wrk` is the ordinary one:
keep-alive connections, each sending the next request as soon as the last was answered.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from request import Request


class LoadError(Exception):
    """The load generator itself failed; says how."""


@dataclass(frozen=True)
class Outcome:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int
    error_text: str = ""
    extra: dict[str, float] = field(default_factory=dict)
    """Numbers only this load knows, such as goodput; each becomes a column of its own."""
    notes: str = ""
    """What else happened, for the record: failures that are a result here, not an error."""


@dataclass(frozen=True)
class Target:
    """What a load is put on, and from where."""

    request: Request
    port: int
    connections: int
    threads: int
    pid: int
    """The root of the server's tree."""
    server_core: int | None
    core: int | None
    """Where the load runs."""


class Load(Protocol):
    def run(self, target: Target, seconds: int) -> Outcome: ...


UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
SCRIPT = """\
wrk.method = "{method}"
{headers}
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
"""


@dataclass(frozen=True)
class Wrk:
    """wrk with one thread, pinned to `core`; a request without an answer for `timeout` seconds is an error."""

    timeout: int = 10

    def run(self, target: Target, seconds: int) -> Outcome:
        request, core = target.request, target.core
        with tempfile.TemporaryDirectory(prefix="load-") as directory:
            command = ["wrk", "-t1", f"-c{target.connections}", f"-d{seconds}s", f"--timeout={self.timeout}s"]
            command.append("--latency")
            if request.method != "GET" or request.body:
                command += ["-s", str(write_script(request, Path(directory)))]
            else:
                for name, value in request.headers.items():
                    command += ["-H", f"{name}: {value}"]
            command.append(f"http://127.0.0.1:{target.port}{request.path}")
            try:
                done = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    timeout=seconds + self.timeout + 10,
                    preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
                )
            except subprocess.TimeoutExpired as error:
                raise LoadError(f"wrk did not end within {error.timeout:.0f} s") from error
        if done.returncode != 0:
            raise LoadError(f"wrk ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
        return parse(done.stdout)


def write_script(request: Request, directory: Path) -> Path:
    body = directory / "body"
    body.write_bytes(request.body)
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in request.headers.items())
    script = directory / "request.lua"
    script.write_text(SCRIPT.format(method=request.method, headers=headers, body=body))
    return script


def parse(report: str) -> Outcome:
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m|h),", report)
    p50 = re.search(r"^\s+50%\s+([\d.]+)(us|ms|s|m|h)\s*$", report, re.MULTILINE)
    p99 = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s|m|h)\s*$", report, re.MULTILINE)
    if not (total and p50 and p99):
        raise LoadError(f"wrk printed something unexpected:\n{report}")
    errors = 0
    texts = []
    if sockets := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", report):
        errors += sum(int(count) for count in sockets.groups())
        texts.append(sockets.group(0))
    if statuses := re.search(r"Non-2xx or 3xx responses: (\d+)", report):
        errors += int(statuses.group(1))
        texts.append(statuses.group(0))
    return Outcome(
        requests=int(total[1]),
        seconds=float(total[2]) * UNITS[total[3]] / 1000,
        p50_ms=float(p50[1]) * UNITS[p50[2]],
        p99_ms=float(p99[1]) * UNITS[p99[2]],
        errors=errors,
        error_text="; ".join(texts),
    )
