"""Keep-alive connections that are used once and then kept: `idle.py PLAN` (JSON, see `Plan`).

Each is answered once; prints `ready` when all are there. After SIGTERM each asks once
more, which tells whether the server has held it, and one JSON object says what became of them.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

TIMEOUT = 10.0
"""Seconds for an answer."""
MOST_FAILURES = 3
"""After so many no more are opened."""
BATCH = 50
"""So many ask at once."""


@dataclass(frozen=True)
class Plan:
    port: int
    path: str
    answer: str
    """The body of a right answer, a character for each byte."""
    connections: int


class Connection:
    """What went wrong with it, in a word or two, is `failure`, or None."""

    def __init__(self, plan: Plan) -> None:
        self.request = f"GET {plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\n\r\n".encode()
        self.answer = plan.answer.encode("latin-1")
        self.failure: str | None = None
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.connect(("127.0.0.1", plan.port))
        except OSError as error:
            self.failure = f"connect: {error.strerror or 'timeout'}"

    def send(self) -> None:
        if self.failure is None:
            try:
                self.socket.sendall(self.request)
            except OSError as error:
                self.failure = error.strerror or "timeout"

    def receive(self) -> None:
        if self.failure is None:
            try:
                self.failure = self.answered()
            except OSError as error:
                self.failure = error.strerror or "timeout"

    def answered(self) -> str | None:
        received = b""
        while not received.endswith(self.answer):
            piece = self.socket.recv(65536)
            if not piece:
                return "closed"
            received += piece
        return None if received.startswith(b"HTTP/1.1 200 ") else received.split(b"\r\n")[0].decode("latin-1")


def ask(connections: Sequence[Connection], failures: Counter[str]) -> list[Connection]:
    """Those that were answered."""
    for connection in connections:
        # Not ten seconds for each of thousands that hang.
        connection.socket.settimeout(TIMEOUT if failures.total() < MOST_FAILURES else 0.1)
        connection.send()
    for connection in connections:
        connection.receive()
        if connection.failure is not None:
            failures[connection.failure] += 1
            connection.socket.close()
    return [connection for connection in connections if connection.failure is None]


def main() -> int:
    plan = Plan(**json.loads(sys.argv[1]))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened: list[Connection] = []
    failures: Counter[str] = Counter()
    while len(opened) < plan.connections and failures.total() < MOST_FAILURES:
        opened += ask([Connection(plan) for _ in range(min(BATCH, plan.connections - len(opened)))], failures)
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM})
    later: Counter[str] = Counter()
    held = sum(len(ask(opened[begin : begin + BATCH], later)) for begin in range(0, len(opened), BATCH))
    kinds = [*failures.elements(), *(f"later {kind}" for kind in later.elements())]
    result = {"opened": len(opened), "held": held, "failures": kinds, "cpu_seconds": sum(os.times()[:2])}
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
