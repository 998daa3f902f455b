"""A fixed number of requests over keep-alive connections: `fixed.py PLAN` (JSON, see `Plan`).

Opens the connections and warms up, prints `ready`, and after SIGTERM sends the requests that count, each connection the
next as soon as it has its answer; then one JSON object.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    port: int
    path: str
    answer: str
    """The body of a right answer, a character for each byte."""
    connections: int
    warmup: int
    requests: int
    timeout: float
    """Seconds without any answer after which it gives up."""


class Connections:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.request = f"GET {plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\n\r\n".encode()
        self.answer = plan.answer.encode("latin-1")
        self.poll = select.epoll()
        self.open = {}
        for _ in range(plan.connections):
            connection = socket.create_connection(("127.0.0.1", plan.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open[connection.fileno()] = connection
            self.poll.register(connection, select.EPOLLIN)

    def run(self, requests: int) -> int:
        """Send so many; how many of the answers were right."""
        received = dict.fromkeys(self.open, b"")
        unsent = requests
        for connection in list(self.open.values())[:requests]:
            connection.sendall(self.request)
            unsent -= 1
        right = answered = 0
        while answered < requests:
            ready = self.poll.poll(self.plan.timeout)
            if not ready:
                sys.exit(f"no answer for {self.plan.timeout:.0f} s")
            for descriptor, _ in ready:
                piece = self.open[descriptor].recv(65536)
                if not piece:
                    sys.exit("the server closed a connection")
                received[descriptor] += piece
                head, separator, body = received[descriptor].partition(b"\r\n\r\n")
                if not separator or len(body) < len(self.answer):
                    continue
                answered += 1
                right += head.startswith(b"HTTP/1.1 200 ") and body == self.answer
                received[descriptor] = b""
                if unsent:
                    self.open[descriptor].sendall(self.request)
                    unsent -= 1
        return right


def main() -> int:
    plan = Plan(**json.loads(sys.argv[1]))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    connections = Connections(plan)
    connections.run(plan.warmup)
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM})
    begin = time.monotonic()
    right = connections.run(plan.requests)
    seconds = time.monotonic() - begin
    json.dump({"right": right, "seconds": seconds, "cpu_seconds": sum(os.times()[:2])}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
