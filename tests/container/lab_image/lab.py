"""An application of small promises: waiting, holding the interpreter, having children."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# A child that leaves a child of its own behind, says its number, and goes; the orphan ends a moment later.
ORPHAN = """
import os, time
pid = os.fork()
if pid == 0:
    os.close(1)
    time.sleep(0.3)
    os._exit(0)
print(pid)
"""


def slow() -> str:
    """50 ms, and an answer of some length."""
    time.sleep(0.05)
    return "waited\n" * 100


def asleep() -> str:
    time.sleep(60)
    return "woke\n"


def holding() -> str:
    """Native code that keeps the GIL: PyDLL does not let go of it."""
    ctypes.PyDLL(None).sleep(20)
    return "let go\n"


def orphan() -> str:
    return subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=True).stdout


def status() -> str:
    """What subprocess learns of its own children: an exit code, a signal."""
    ended = subprocess.run([sys.executable, "-c", "raise SystemExit(7)"]).returncode
    killed = subprocess.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]).returncode
    return json.dumps([ended, killed])


def processes() -> str:
    """State and command of everything in this container, by number."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name, _, rest = text[text.index("(") + 1 :].rpartition(") ")
        found[stat.parent.name] = [rest[0], name]
    return json.dumps(found)


def who() -> str:
    return json.dumps({"pid": os.getpid(), "uid": os.getuid()})


VIEWS: dict[str, Callable[[], str]] = {
    f"/{view.__name__}": view for view in (slow, asleep, holding, orphan, status, processes, who)
}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    view = VIEWS.get(environ["PATH_INFO"])
    start_response("200 OK" if view else "404 Not Found", [("Content-Type", "text/plain")])
    return [view().encode() if view else b"no such view\n"]
