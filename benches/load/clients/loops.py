"""Keep-alive clients in closed loops: `loops.py PLAN` (JSON, see `Plan`). Prints `ready` when each was answered once.

Tells of every request when and how it ended: `ok`, `refused` (nobody listens; the client leaves, as there would be
another pod), a status, or how the connection broke. After SIGTERM one JSON object, when all have ended.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    port: int
    path: str
    answer: str
    """The body of a right answer, a character for each byte."""
    clients: int
    timeout: float


@dataclass
class Clients:
    plan: Plan
    over: threading.Event = field(default_factory=threading.Event)
    ended: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first = threading.Barrier(self.plan.clients + 1)
        self.request = f"GET {self.plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.plan.port}\r\n\r\n".encode()

    def client(self) -> None:
        connection: socket.socket | None = None
        answers = 0
        while not self.over.is_set():
            try:
                if connection is None:
                    connection = socket.create_connection(("127.0.0.1", self.plan.port), self.plan.timeout)
                again, kind = self.ask(connection)
            except ConnectionRefusedError:
                self.ended.append((time.monotonic(), "refused"))
                break
            except OSError as error:
                again, kind = False, error.strerror or "timeout"
            if not again and connection is not None:
                connection.close()
                connection = None
            self.ended.append((time.monotonic(), kind))
            answers += 1
            if answers == 1:
                self.first.wait()
        if answers == 0:
            self.first.abort()

    def ask(self, connection: socket.socket) -> tuple[bool, str]:
        """(the connection can be used again, how it ended)"""
        connection.sendall(self.request)
        received = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                # Also on a connection used before: a POST could not be sent again (RFC 9110 section 9.2.2).
                return False, "cut" if received else "closed without an answer"
            received += piece
            head, separator, body = received.partition(b"\r\n\r\n")
            if not separator:
                continue
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            if len(body) < int(fields[b"content-length"]):
                continue
            status = head.split()[1].decode()
            right = body == self.plan.answer.encode("latin-1")
            kind = status if status != "200" else "ok" if right else "wrong"
            return fields.get(b"connection") != b"close" and head.startswith(b"HTTP/1.1"), kind


def main() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    clients = Clients(Plan(**json.loads(sys.argv[1])))
    threads = [threading.Thread(target=clients.client, daemon=True) for _ in range(clients.plan.clients)]
    for thread in threads:
        thread.start()
    clients.first.wait(10)
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM})
    clients.over.set()
    for thread in threads:
        thread.join()
    json.dump({"ended": clients.ended, "cpu_seconds": sum(os.times()[:2])}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
