"""Commands that put the server into parts of a container: a PID namespace where it is the first process.

They are for `within` of `Server` and `Face.run`. Where they are forbidden the tests are skipped, and pytest says so.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from server import Server, await_true

NEW_USER = () if os.geteuid() == 0 else ("--map-root-user",)
# util-linux; what it starts is PID 1, and ends with it.
AS_PID_1 = ("unshare", *NEW_USER, "--fork", "--pid", "--mount-proc", "--kill-child")


@cache
def why_not(*within: str) -> str:
    """Why the command cannot be used here; empty if it can."""
    try:
        tried = subprocess.run([*within, "true"], capture_output=True, text=True, timeout=20, check=False)
    except OSError as error:
        return str(error)
    return tried.stderr.strip() or "it fails" if tried.returncode else ""


def need(*within: str) -> None:
    """Skip the test, or the module, where the command is forbidden."""
    if reason := why_not(*within):
        pytest.skip(f"NOT TESTED: {within[0]} does not work here ({reason})", allow_module_level=True)


def children(pid: int) -> list[int]:
    """The processes that `pid` is the parent of."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return []


def command_of(pid: int) -> str:
    """What the kernel calls the process."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def init_of(server: Server) -> int:
    """The number, in the tests' own namespace, of the PID 1 that `server` was started as."""
    (init,) = children(server.pid)
    await_true(lambda: command_of(init) == "monopod-init", "PID 1 is init")
    return init


def private_memory(pid: int) -> int:
    """Bytes that would be free if this process alone ended."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024
