"""Replicas of a server, each in a container of its own or as a plain process, as a rollout starts and ends them.

A process has an address of its own in 127.0.0.0/8, so that all may have the same ports, as pods do.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from balancer import Endpoint
from containers import Container, docker

APPS = Path(__file__).resolve().parent / "apps"
PORT, ADMIN = 28917, 28918
"""As others on this machine may have the usual ones for all addresses."""
READY_WITHIN = 30.0
END_WITHIN = 45.0
THREADS = 32
# What steers servers behind the command line's back.
FOREIGN = ("PYTHON", "VIRTUAL_ENV", "GRANIAN_", "GUNICORN_", "MONOPOD_", "WEB_CONCURRENCY", "KUBERNETES_")
# What tells a server that it is in a pod.
IN_KUBERNETES = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}


class ReplicaError(Exception):
    """A replica did not start, or did not end; says why."""


@dataclass(frozen=True)
class Kind:
    """A server under comparison: `command` from an address (0.0.0.0 in a container) and the directory of its programs."""

    name: str
    command: Callable[[str, str], list[str]]
    probe: tuple[int, str] = (PORT, "/")
    """Where readiness is asked."""
    pre_stop: float = 0.0
    """Seconds between the deletion and SIGTERM, as a preStop hook that sleeps."""


def monopod(address: str, programs: str) -> list[str]:
    # Nothing about stopping: what it does in Kubernetes by itself.
    options = ["--bind", f"{address}:{PORT}", "--admin-bind", f"{address}:{ADMIN}", "--threads", str(THREADS)]
    return [f"{programs}monopod", "slow:app", *options, "--no-access-log"]


def gunicorn(address: str, programs: str) -> list[str]:
    options = ["--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS), "--keep-alive", "75"]
    # Below /dev/shm, as the guides for containers say.
    shared = ["--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
    return [
        f"{programs}gunicorn",
        "slow:app",
        "--bind",
        f"{address}:{PORT}",
        *options,
        *shared,
        "--log-level",
        "warning",
    ]


def granian(address: str, programs: str) -> list[str]:
    options = ["--interface", "wsgi", "--host", address, "--port", str(PORT), "--workers", "1"]
    return [f"{programs}granian", "slow:app", *options, "--blocking-threads", str(THREADS), "--no-ws"]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("monopod", monopod, probe=(ADMIN, "/-/ready")),
        Kind("gunicorn", gunicorn),
        Kind("gunicorn, preStop sleep 5", gunicorn, pre_stop=5.0),
        Kind("granian", granian),
        Kind("granian, preStop sleep 5", granian, pre_stop=5.0),
    )
}


class Replica(Protocol):
    endpoint: Endpoint

    def is_running(self) -> bool: ...

    def terminate(self) -> None: ...

    def wait(self) -> int:
        """Its exit code, which must come within `END_WITHIN`."""
        ...

    def remove(self) -> None: ...

    def log(self) -> str: ...


class ProcessReplica:
    """A plain process, in a session of its own."""

    _numbers = itertools.count(2)

    def __init__(self, kind: Kind, programs: str) -> None:
        number = next(self._numbers)
        # Another that measures at the same time has other addresses.
        address = f"127.{os.getpid() % 64 + 128}.{number // 250}.{number % 250 + 1}"
        self.endpoint = (address, PORT)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `remove`
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self._process = subprocess.Popen(
            kind.command(address, programs),
            cwd=APPS,
            env={**kept, **IN_KUBERNETES},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def is_running(self) -> bool:
        return self._process.poll() is None

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self) -> int:
        try:
            return self._process.wait(END_WITHIN)
        except subprocess.TimeoutExpired as error:
            raise ReplicaError(f"still there {END_WITHIN:.0f} s after SIGTERM") from error

    def remove(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")


class ContainerReplica:
    """A container of `image`."""

    def __init__(self, kind: Kind, image: str) -> None:
        settings = [part for name, value in IN_KUBERNETES.items() for part in ("--env", f"{name}={value}")]
        code = ("--volume", f"{APPS}:/apps:ro", "--workdir", "/apps")
        self._container = Container(image, *kind.command("0.0.0.0", ""), options=("--no-healthcheck", *code, *settings))
        self.endpoint = (self._container.address, PORT)

    def is_running(self) -> bool:
        return bool(self._container.inspect()["State"]["Running"])

    def terminate(self) -> None:
        # docker kill: as the kubelet, it does not wait.
        self._container.signal("TERM")

    def wait(self) -> int:
        return self._container.exit_code(END_WITHIN)

    def remove(self) -> None:
        self._container.__exit__(None, None, None)

    def log(self) -> str:
        return docker("logs", self._container.id, check=False)


async def ready(replica: Replica, kind: Kind) -> None:
    """Until the readiness probe says so, as the kubelet asks."""
    port, path = kind.probe
    deadline = time.monotonic() + READY_WITHIN
    while not await probe(replica.endpoint[0], port, path):
        if not await asyncio.to_thread(replica.is_running) or time.monotonic() > deadline:
            raise ReplicaError(f"{kind.name} did not become ready:\n{replica.log()}")
        await asyncio.sleep(0.05)


async def probe(host: str, port: int, path: str) -> bool:
    """Whether GET is answered with 200."""
    with contextlib.suppress(OSError, TimeoutError, asyncio.TimeoutError):
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 2)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return (await asyncio.wait_for(reader.readline(), 2)).split(b" ")[1:2] == [b"200"]
        finally:
            writer.close()
    return False
