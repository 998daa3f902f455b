"""The application's own call: no server, no socket, peers/own_call.py in a loop. A row beside those of the servers."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from load import LoadError
from process import environment
from request import Request
from servers import APPS


def call(command: list[str], app: str, request: Request, seconds: int, warmup: int, core: int | None) -> dict[str, Any]:
    """`calls`, `cpu_seconds` and `seconds` of calling `app` for so long on the server's core."""
    plan = {
        "app": app,
        "path": request.path,
        "answer": request.answer.decode("latin-1"),
        "seconds": seconds,
        "warmup": warmup,
    }
    try:
        done = subprocess.run(
            [*command, json.dumps(plan)],
            cwd=APPS,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds + warmup + 30,
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"the application did not end within {error.timeout:.0f} s") from error
    if done.returncode != 0:
        raise LoadError(f"the application alone ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
