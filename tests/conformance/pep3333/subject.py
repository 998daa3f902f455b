"""A server under test: how a kind is started, and what a client can see of it.

A `Subject` starts its servers when a test first asks for them and keeps them: most tests share one with four threads.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from gate import Gate, Visitor
from pep3333 import HERE
from server import READY_WITHIN, await_true, environment
from wire import Answer, Connection, Headers

PATIENCE = 6.0
THREADS = 4
MOUNT = "/mount"
STAGE = "pep3333.stage:application"


@dataclass(frozen=True)
class Kind:
    """One server program; `command` gets target, threads, port and the mount point."""

    name: str
    command: Callable[[str, int, int, str], list[str]]
    ready: re.Pattern[str] | None
    mount_env: bool = False


class Running:
    """One process of a kind."""

    def __init__(self, kind: Kind, target: str = STAGE, threads: int = THREADS, mount: str = "") -> None:
        self.port = 0 if kind.ready else free_port()
        self._log = tempfile.NamedTemporaryFile(prefix=f"conformance-{kind.name}-")  # noqa: SIM115
        extra: Mapping[str, str] = {"PYTHONPATH": str(HERE), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            kind.command(target, threads, self.port, mount),
            cwd=HERE,
            env=environment({**extra, **({"SCRIPT_NAME": mount} if mount and kind.mount_env else {})}),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait_ready(kind)
        except BaseException:
            self.stop()
            raise

    def _wait_ready(self, kind: Kind) -> None:
        def ready() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(f"{kind.name} has ended:\n{self.log()}")
            if kind.ready:
                found = kind.ready.search(self.log())
                self.port = int(found[1]) if found else 0
            try:
                if self.port:
                    self.connect().sock.close()
            except ConnectionError:
                return False
            return self.port > 0

        await_true(ready, f"{kind.name} listens:\n{self.log()}", READY_WITHIN)

    def stop(self) -> None:
        """Kill its whole session: gunicorn and granian have workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def has_ended(self) -> bool:
        try:
            self.connect().sock.close()
        except ConnectionError:
            return True
        return self._process.poll() is not None

    def log(self) -> str:
        with open(self._log.name, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def logs(self, text: str) -> bool:
        """Whether `text` appears in the log in time."""
        with contextlib.suppress(AssertionError):
            await_true(lambda: text in self.log(), text, PATIENCE)
        return text in self.log()

    def connect(self) -> Connection:
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock)
        sock.settimeout(PATIENCE)
        return connection

    def ask(self, target: str, method: str = "GET", headers: Headers = (), body: bytes | None = None) -> Answer:
        """One request on a connection of its own, which stays open until the answer is there."""
        with self.connect() as connection:
            return connection.ask(target, method, headers, body)

    def ask_json(self, target: str, method: str = "GET", headers: Headers = (), body: bytes | None = None) -> Any:
        return as_json(self.ask(target, method, headers, body))

    def recorded(self, key: str, until: str | None = None) -> list[Any]:
        """What an application has recorded under `key`, once `until` is among it or the patience is at its end."""
        record: list[Any] = []

        def told() -> bool:
            record[:] = self.ask_json(f"/recorded?key={key}")
            return until is None or until in record

        with contextlib.suppress(AssertionError):
            await_true(told, "recorded", PATIENCE)
        return record

    def is_well(self) -> bool:
        """Whether as many requests as there are threads, and one more, are answered."""
        try:
            return all(self.ask("/plain").body == b"plain" for _ in range(THREADS + 1))
        except Exception:
            return False


@dataclass
class Subject:
    """A kind and its running servers; the methods of `Running` on the shared one are here as well."""

    kind: Kind
    _stack: ExitStack = field(default_factory=ExitStack)
    _running: dict[tuple[str, int, str], Running] = field(default_factory=dict)
    _keys: Iterator[int] = field(default_factory=itertools.count)

    def __enter__(self) -> Subject:
        return self

    def __exit__(self, *_: object) -> None:
        self.restart()

    def running(self, target: str = STAGE, threads: int = THREADS, mount: str = "") -> Running:
        wanted = (target, threads, mount)
        if wanted not in self._running:
            self._running[wanted] = Running(self.kind, target, threads, mount)
            self._stack.callback(self._running[wanted].stop)
        return self._running[wanted]

    def restart(self) -> None:
        """End all servers; the next test starts new ones."""
        self._stack.close()
        self._running.clear()

    def logs(self) -> list[str]:
        return [running.log() for running in self._running.values()]

    def has_ended(self) -> bool:
        """Whether one of its servers is gone, or refuses connections."""
        return any(running.has_ended() for running in self._running.values())

    @property
    def many(self) -> Running:
        return self.running()

    @property
    def one(self) -> Running:
        return self.running(threads=1)

    def key(self) -> str:
        """A name nobody has recorded under yet."""
        return f"key-{next(self._keys)}"

    def connect(self) -> Connection:
        return self.many.connect()

    def ask(self, target: str, method: str = "GET", headers: Headers = (), body: bytes | None = None) -> Answer:
        return self.many.ask(target, method, headers, body)

    def ask_json(self, target: str, method: str = "GET", headers: Headers = (), body: bytes | None = None) -> Any:
        return self.many.ask_json(target, method, headers, body)


@contextlib.contextmanager
def gate() -> Iterator[Gate]:
    """An open gate; closing it lets everybody through."""
    opened = Gate()
    try:
        yield opened
    finally:
        opened.close()


def arrives(gate: Gate, word: str) -> Visitor | None:
    """The application at the gate, or None when it does not come."""
    try:
        return gate.wait(word)
    except TimeoutError:
        return None


def as_json(answer: Answer) -> Any:
    if answer.status != 200:
        raise ValueError(f"answered {answer.status} {answer.reason}: {answer.body[:80]!r}")
    return json.loads(answer.body)


def free_port() -> int:
    """For servers that do not say which port they were given."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
