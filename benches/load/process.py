"""A server process from start to end: own session, pinned, log kept, ready when it answers right, surely gone after.

Only processes of the tree started here are ever signalled, by pid.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import usage
from request import FileRequest, Request, Wrong
from servers import APPS

READY_SECONDS = 20.0
STOP_SECONDS = 10.0
DESCRIPTORS = 16384
# Settings of the caller's shell must not configure a peer behind the command line's back.
FOREIGN = ("PYTHON", "VIRTUAL_ENV", "GRANIAN_", "GUNICORN_", "MONOPOD_", "WEB_CONCURRENCY", "FLASK_")


class ServerError(Exception):
    """A server did not start or did not answer; says why, with the end of its log."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


class Process:
    """`with Process(command, log, core) as process:` — the tree is gone when the block is left."""

    def __init__(self, command: list[str], log: Path, core: int | None) -> None:
        self.command = command
        self.log = log
        self.core = core
        self.killed = False
        """True when SIGTERM was not enough."""

    def __enter__(self) -> Process:
        with self.log.open("wb") as log:
            try:
                self.child = subprocess.Popen(
                    self.command,
                    cwd=APPS,
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=self.take_place,
                )
            except OSError as error:
                raise ServerError(f"cannot start {self.command[0]}: {error.strerror}") from error
        return self

    def take_place(self) -> None:
        """In the child: its core, and descriptors for every connection that may come."""
        if self.core is not None:
            os.sched_setaffinity(0, {self.core})
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, DESCRIPTORS)), hard))

    @property
    def pid(self) -> int:
        return self.child.pid

    def wait_ready(self, request: Request | FileRequest, port: int) -> Request:
        """The request as this server is to get it."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                settled = request.settle(port, timeout=2.0)
                break
            except Wrong as complaint:
                self.must_run(complaint, deadline)
            time.sleep(0.02)
        self.keep_policy()
        return settled

    def must_run(self, complaint: Wrong, deadline: float) -> None:
        """Give up on a server that has ended, or has not answered rightly before `deadline` on the monotonic clock."""
        if (code := self.child.poll()) is not None:
            raise ServerError(f"the server ended with {code} before it answered\n{self.log_end()}") from None
        if time.monotonic() > deadline:
            raise ServerError(f"not ready after {READY_SECONDS:.0f} s: {complaint}\n{self.log_end()}") from None

    def keep_policy(self) -> None:
        """With --first, threads that gave themselves another policy, as monopod's IO thread does, get ours back."""
        if (policy := os.sched_getscheduler(0)) != os.SCHED_RR:
            return
        for pid in usage.tree(self.pid):
            with contextlib.suppress(OSError):
                for thread in os.listdir(f"/proc/{pid}/task"):
                    os.sched_setscheduler(int(thread), policy, os.sched_getparam(0))

    def log_end(self, lines: int = 30) -> str:
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    | {line}" for line in text[-lines:]) or "    | (its log is empty)"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        members = set(usage.tree(self.pid))
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.killed = True
        # The session keeps its number when its leader has gone, so a pid used anew by a stranger is not taken for ours.
        members |= set(usage.tree(self.pid))
        for pid in members:
            found = usage.stat(pid)
            if found is not None and found.session == self.pid and (pid != self.pid or self.child.poll() is None):
                self.killed = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.child.wait(STOP_SECONDS)
