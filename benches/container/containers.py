"""Containers by the docker command: started, watched and removed, every wait bounded.

A container is reached by its own address on Docker's bridge, as a pod is by its: nothing is published, and no proxy of
Docker's stands between client and server.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any

START_WITHIN = 30.0
COMMAND_WITHIN = 60.0
LABEL = f"monopod-bench={uuid.uuid4().hex[:12]}"
"""On everything this process starts."""


class DockerError(Exception):
    """A docker command failed; says which, and how."""


def docker(*args: str, within: float = COMMAND_WITHIN, check: bool = True, text: str | None = None) -> str:
    """Run `docker ARGS`; what it wrote to stdout, without the line end."""
    try:
        done = subprocess.run(["docker", *args], input=text, capture_output=True, text=True, timeout=within)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DockerError(f"docker {' '.join(args)}: {error}") from error
    if check and done.returncode != 0:
        raise DockerError(f"docker {' '.join(args)} ended with {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout.rstrip("\n")


def sweep() -> None:
    """Remove every container of this process, with its anonymous volumes."""
    for found in docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split():
        docker("rm", "--force", "--volumes", found, check=False)


def once(image: str, *command: str, options: Sequence[str] = (), within: float = COMMAND_WITHIN) -> str:
    """Run a command to its end in a container of its own; its stdout."""
    return docker("run", "--rm", "--label", LABEL, *options, image, *command, within=within)


class Container:
    """A running container; use as a context manager, after which it is gone."""

    def __init__(self, image: str, *command: str, options: Sequence[str] = ()) -> None:
        self.started = time.monotonic()
        self.id = docker("run", "--detach", "--label", LABEL, *options, image, *command)
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._follower = subprocess.Popen(
            ["docker", "logs", "--follow", self.id], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self._follow, daemon=True).start()
        found = self.inspect()
        self.address = str(found["NetworkSettings"]["IPAddress"] or "")
        self.pid = int(found["State"]["Pid"])
        """Of its first process, as the host counts."""

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        docker("rm", "--force", "--volumes", self.id, check=False)
        self._follower.kill()
        self._follower.wait()

    def _follow(self) -> None:
        assert self._follower.stdout
        for line in self._follower.stdout:
            with self._news:
                self._lines.append(line.decode("utf-8", "replace"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def log(self) -> str:
        with self._news:
            return "".join(self._lines)

    def wait_log(self, text: str, timeout: float = START_WITHIN) -> str:
        """The first line of the log that has `text`, as soon as it is there."""

        def found() -> str | None:
            return next((line for line in self._lines if text in line), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._ended, timeout)
            line, log = found(), "".join(self._lines)
        if line is None:
            raise DockerError(f"no {text!r} in the log:\n{log}")
        return line

    def inspect(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(docker("inspect", self.id))[0]
        return found

    def health(self) -> str:
        """What HEALTHCHECK led to so far: starting, healthy or unhealthy."""
        return str(self.inspect()["State"]["Health"]["Status"])

    def signal(self, name: str) -> None:
        """To its first process, as an orchestrator sends it."""
        docker("kill", "--signal", name, self.id)

    def stop(self, grace: int = 30) -> int:
        """`docker stop`: SIGTERM, and SIGKILL after `grace` seconds. The exit code."""
        docker("stop", "--time", str(grace), self.id, within=grace + COMMAND_WITHIN)
        return self.exit_code()

    def exit_code(self, within: float = 30.0) -> int:
        """Wait for the end."""
        return int(docker("wait", self.id, within=within))

    def processes(self) -> dict[int, str]:
        """All its processes, as the host counts, with their command lines."""
        rows = docker("top", self.id, "-eo", "pid,args").splitlines()[1:]
        return {int(pid): command for pid, command in (row.split(None, 1) for row in rows)}

    def execute(self, *command: str, within: float = COMMAND_WITHIN) -> str:
        """`docker exec`; its stdout."""
        return docker("exec", self.id, *command, within=within)
