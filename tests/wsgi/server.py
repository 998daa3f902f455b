"""Starts the real command, waits for its ready line, and talks to it; every wait is bounded.

`Face` is how the command is given: the native binary or the script of the installed wheel.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from wire import TIMEOUT, Answer, Connection, Headers

APPS = Path(__file__).parent / "apps"
READY_WITHIN = 20.0
# What would steer the server or a framework behind the test's back.
FOREIGN = re.compile(
    r"MONOPOD_|DJANGO_|FLASK_|GUNICORN_|PYTHON|KUBERNETES_|SENTRY_|OTEL_|DD_|(PORT|WEB_CONCURRENCY|VIRTUAL_ENV|FORWARDED_ALLOW_IPS)$"
)


@dataclass(frozen=True)
class Face:
    """One way to the command, with the options it needs to find the tests' Python environment."""

    name: str
    path: str
    options: tuple[str, ...] = ()

    def command(self, subcommand: str | None, *args: str) -> list[str]:
        options = () if subcommand == "compress" else self.options
        return [self.path, *([subcommand] if subcommand else []), *args, *options]

    def run(
        self,
        subcommand: str,
        *args: str,
        cwd: Path = APPS,
        env: Mapping[str, str] | None = None,
        within: tuple[str, ...] = (),
        timeout: float = READY_WITHIN,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that is to end by itself; `within` as in `Server`."""
        return subprocess.run(
            [*within, *self.command(subcommand, *args)],
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tests' own environment without what would steer the server, and `extra`."""
    kept = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    # In a container every server would want the same admin port.
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "MONOPOD_ADMIN_BIND": "none", **(extra or {})}


@dataclass(frozen=True)
class Memory:
    """Resident bytes of a process, from /proc."""

    total: int
    peak: int
    anonymous: int


class Server:
    """A running server; use as a context manager. It runs when its log has `ready`."""

    def __init__(
        self,
        face: Face,
        target: str | None,
        *args: str,
        cwd: Path = APPS,
        env: Mapping[str, str] | None = None,
        bind: tuple[str, ...] = ("127.0.0.1:0",),
        pass_fds: tuple[int, ...] = (),
        subcommand: str | None = "serve",
        stderr: int | IO[bytes] = subprocess.STDOUT,
        within: tuple[str, ...] = (),
        ready: str = "listening on ",
    ) -> None:
        options = [*(part for address in bind for part in ("--bind", address)), "--log-format", "text", *args]
        # What shows source wants to be asked by a name of this machine.
        self._host = "localhost" if subcommand == "dev" else "test.example"
        # `within` is a command that sets something up and then becomes the server: `prlimit --nofile=64`.
        self.command = [*within, *face.command(subcommand, *([target] if target else []), *options)]
        self._process = subprocess.Popen(
            self.command,
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=pass_fds,
        )
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._may_read = threading.Event()
        self._may_read.set()
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()
        try:
            self.ready_line = self.wait_log(ready, READY_WITHIN)
        except BaseException:
            self.kill()
            raise
        self.pid = self._process.pid
        self.ports = [int(port) for port in re.findall(r"http://[^\s,]*:(\d+)", self.ready_line)]
        self.sockets = [Path(path) for path in re.findall(r"unix:([^\s,]+)", self.ready_line)]

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        log = self.log()
        panic = log.find("panicked at")
        assert panic < 0, log[max(panic - 300, 0) : panic + 600]

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def admin_port(self) -> int:
        """Where `--admin-bind 127.0.0.1:0` led to."""
        line = self.wait_log("admin port on ")
        return int(line.rsplit(":", 1)[1])

    # What the server says

    def log(self) -> str:
        """Everything written to stdout so far, and to stderr if that was not given elsewhere."""
        with self._news:
            return "".join(self._lines)

    def wait_log(self, text: str, timeout: float = TIMEOUT) -> str:
        """The first line that has `text`, as soon as it is there."""

        def found() -> str | None:
            return next((line for line in self._lines if text in line), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._ended, timeout)
            line = found()
            log = "".join(self._lines)
        assert line, f"no {text!r} in the log of {' '.join(self.command)}:\n{log}"
        return line

    def stop_reading(self) -> None:
        """Take nothing of what the server says, but for what is on its way."""
        self._may_read.clear()

    def go_on_reading(self) -> None:
        self._may_read.set()

    def _drain(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._may_read.wait()
            with self._news:
                self._lines.append(line.decode("utf-8", "replace"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    # What clients do

    def connect(self, receive_buffer: int | None = None) -> Connection:
        """A client connection; `receive_buffer` bytes make a client that cannot take much."""
        if self.ports:
            sock = socket.socket(socket.AF_INET)
            address: tuple[str, int] | str = ("127.0.0.1", self.port)
        else:
            sock = socket.socket(socket.AF_UNIX)
            address = str(self.sockets[0])
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(TIMEOUT)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return Connection(sock, self._host)

    def ask(self, target: str = "/", method: str = "GET", headers: Headers = (), body: bytes | None = None) -> Answer:
        """One request on a connection of its own."""
        with self.connect() as connection:
            return connection.ask(target, method, headers, body)

    def connect_admin(self) -> Connection:
        """A connection to the admin port."""
        return Connection(socket.create_connection(("127.0.0.1", self.admin_port), TIMEOUT))

    def ask_admin(self, target: str, method: str = "GET", headers: Headers = ()) -> Answer:
        """One request to the admin port."""
        with self.connect_admin() as connection:
            return connection.ask(target, method, headers)

    def refuses(self) -> bool:
        """Whether a new connection is refused, or reset because the listener closed that very moment."""
        try:
            self.connect().sock.close()
        except (ConnectionError, FileNotFoundError):
            return True
        return False

    # What happens to the process

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self, timeout: float = TIMEOUT) -> int:
        """Wait for the end."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.log()}") from None
        self._reader.join(TIMEOUT)
        return code

    def terminate(self, number: signal.Signals = signal.SIGTERM, timeout: float = TIMEOUT) -> int:
        """Ask it to stop; its exit code."""
        self.send_signal(number)
        return self.exit_code(timeout)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._may_read.set()
        self._process.wait()
        self._reader.join(TIMEOUT)

    def memory(self) -> Memory:
        """Resident memory now, and its peak since `forget_peak`."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        fields = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
        total, peak, anonymous = (int(fields[name][0]) * 1024 for name in ("VmRSS", "VmHWM", "RssAnon"))
        return Memory(total, peak, anonymous)

    def cpu_seconds(self) -> float:
        """CPU time used so far, by all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Make the present resident memory the peak (proc(5), clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


class Starter:
    """Starts servers that end with the test."""

    def __init__(self, face: Face, stack: ExitStack) -> None:
        self.face = face
        self._stack = stack

    def __call__(self, target: str | None, *args: str, **options: Any) -> Server:
        return self._stack.enter_context(Server(self.face, target, *args, **options))


def await_true(condition: Callable[[], bool], what: str, timeout: float = TIMEOUT) -> None:
    """For states of which no event tells; looks often."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.01)


def the_face(name: str) -> Face:
    """The command by `MONOPOD_BINARY` or `MONOPOD_WHEEL`; a missing one is an error, never a skip."""
    variable = f"MONOPOD_{name.upper()}"
    path = os.environ.get(variable, "")
    if not os.access(path, os.X_OK):
        raise RuntimeError(
            f"{variable} is {path!r}, not an executable: set it, or narrow the run by MONOPOD_FACES=binary"
        )
    return Face(name, os.path.abspath(path), ("--venv", sys.prefix) if name == "binary" else ())
