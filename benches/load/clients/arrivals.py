"""Open loop: a request leaves when its time has come, whatever became of those before it.

A program of its own, so that nothing else delays it: `arrivals.py PLAN` (JSON, see `Plan`), one JSON object on stdout.
After SIGTERM nothing more is sent, but what was sent is waited for.
Latency counts from the planned moment, not from the send, or a late generator would flatter the server.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

LARGEST_ANSWER = 1 << 20


@dataclass(frozen=True)
class Plan:
    port: int
    path: str
    headers: dict[str, str]
    answer: str
    """The body of a right answer, a character for each byte."""
    phases: list[tuple[float, float]]
    """(requests a second, seconds), one after the other."""
    keep_alive: bool
    """Reuse the connection used last, open one when none is idle; else a new one for each request."""
    timeout: float
    """A client leaves after so many seconds without an answer."""
    poisson: bool
    """Independent clients, or a clock."""
    seed: int = 1


class Call:
    """One request under way."""

    def __init__(self, phase: int, planned: float) -> None:
        self.phase = phase
        self.planned = planned
        self.late = 0.0
        self.connection: Connection | None = None
        self.done = False
        self.retried = False


class Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.call: Call | None = None
        self.unsent = b""
        self.received = b""
        self.connected = False
        self.answers = 0
        self.refusal = self.socket.connect_ex(("127.0.0.1", port))
        if self.refusal == errno.EINPROGRESS:
            self.refusal = 0


def answered(received: bytes, ended: bool) -> tuple[int, bytes, bool] | None:
    """(status, body, whether the connection can be used again), or None while more must come."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return None
    lines = head.split(b"\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    status = int(lines[0].split()[1])
    again = fields.get(b"connection", b"").lower() != b"close" and lines[0].startswith(b"HTTP/1.1")
    if b"content-length" in fields:
        length = int(fields[b"content-length"])
        return (status, body, again) if len(body) >= length else None
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        if not body.endswith(b"0\r\n\r\n"):
            return None
        parts = []
        while body:
            size, _, body = body.partition(b"\r\n")
            parts.append(body[: int(size, 16)])
            body = body[int(size, 16) + 2 :]
        return status, b"".join(parts), again
    return (status, body, False) if ended else None


class Arrivals:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        fields = [f"Host: 127.0.0.1:{plan.port}", *(f"{name}: {value}" for name, value in plan.headers.items())]
        fields += [] if plan.keep_alive else ["Connection: close"]
        self.request = "\r\n".join([f"GET {plan.path} HTTP/1.1", *fields, "", ""]).encode()
        self.answer = plan.answer.encode("latin-1")
        # First of all descriptors: select() cannot watch one above 1023, but its timeout is not cut to milliseconds.
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.idle: list[Connection] = []
        self.waiting: deque[Call] = deque()
        self.opened = 0
        self.over = False
        self.calls: list[tuple[int, float, float, float, str]] = []

    def schedule(self, start: float) -> Iterator[Call]:
        chance = random.Random(self.plan.seed)
        begin = start
        for phase, (rate, seconds) in enumerate(self.plan.phases):
            planned = begin
            while planned < begin + seconds:
                yield Call(phase, planned)
                planned += chance.expovariate(rate) if self.plan.poisson else 1 / rate
            begin += seconds

    def run(self) -> None:
        self.start = time.monotonic() + 0.02
        coming = self.schedule(self.start)
        following = next(coming, None)
        while following is not None or self.waiting:
            now = time.monotonic()
            if self.over:
                following = None
            while following is not None and following.planned <= now:
                self.begin(following)
                following = next(coming, None)
                now = time.monotonic()
            while self.waiting and (self.waiting[0].done or now - self.waiting[0].planned > self.plan.timeout):
                call = self.waiting.popleft()
                if not call.done:
                    self.end(call, "timeout")
            until = [call.planned for call in (following,) if call is not None]
            until += [call.planned + self.plan.timeout for call in list(self.waiting)[:1]]
            if not until:
                break
            select.select([self.epoll.fileno()], [], [], max(0.0, min(until) - time.monotonic()))
            for descriptor, _ in self.epoll.poll(0):
                # Closed since, by an event before it.
                if descriptor in self.connections:
                    self.advance(self.connections[descriptor])

    def finish(self, *_: object) -> None:
        self.over = True

    def begin(self, call: Call) -> None:
        call.late = time.monotonic() - call.planned
        self.waiting.append(call)
        self.send(call)

    def send(self, call: Call) -> None:
        connection = self.idle.pop() if self.idle else self.open()
        call.connection, connection.call = connection, call
        connection.unsent, connection.received = self.request, b""
        if connection.refusal:
            self.end(call, errno.errorcode[connection.refusal])
        elif connection.connected:
            self.advance(connection)

    def open(self) -> Connection:
        connection = Connection(self.plan.port)
        self.opened += 1
        self.connections[connection.socket.fileno()] = connection
        self.epoll.register(connection.socket, select.EPOLLIN | select.EPOLLOUT)
        return connection

    def close(self, connection: Connection) -> None:
        del self.connections[connection.socket.fileno()]
        connection.socket.close()

    def advance(self, connection: Connection) -> None:
        """Send what is unsent, take what is there."""
        call = connection.call
        try:
            if connection.unsent:
                connection.unsent = connection.unsent[connection.socket.send(connection.unsent) :]
                if not connection.unsent and not connection.connected:
                    connection.connected = True
                    self.epoll.modify(connection.socket, select.EPOLLIN)
                return
            received = connection.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self.lose(connection, errno.errorcode.get(error.errno or 0, "error"))
            return
        connection.received += received
        if call is None:
            # Idle: the server closed it, or said something unasked, which is as good.
            self.idle.remove(connection)
            self.close(connection)
            return
        try:
            answer = answered(connection.received, not received)
        except (ValueError, IndexError):
            self.end(call, "malformed")
            return
        if answer is None:
            if not received:
                self.lose(connection, "closed")
            elif len(connection.received) > LARGEST_ANSWER:
                self.end(call, "malformed")
            return
        status, body, again = answer
        kind = str(status) if status != 200 else "ok" if body == self.answer else "wrong"
        self.end(call, kind, again and self.plan.keep_alive)

    def lose(self, connection: Connection, kind: str) -> None:
        """The connection broke. One that was idle before may have been closed just then: RFC 9112 section 9.3.1 says retry."""
        call = connection.call
        if call is None:
            self.idle.remove(connection)
            self.close(connection)
        elif not call.retried and not connection.received and connection.answers:
            call.retried = True
            self.close(connection)
            self.send(call)
        else:
            self.end(call, kind)

    def end(self, call: Call, kind: str, again: bool = False) -> None:
        call.done = True
        now = time.monotonic()
        self.calls.append((call.phase, call.planned - self.start, call.late, now - call.planned, kind))
        connection = call.connection
        assert connection is not None
        connection.call = None
        if again:
            connection.answers += 1
            self.idle.append(connection)
        else:
            self.close(connection)


def main() -> int:
    plan = Plan(**json.loads(sys.argv[1]))
    # The load core is shared with the slow clients, for which the clock must not wait. Only root may ask for that.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(2))
    arrivals = Arrivals(plan)
    signal.signal(signal.SIGTERM, arrivals.finish)
    arrivals.run()
    json.dump({"calls": arrivals.calls, "opened": arrivals.opened, "cpu_seconds": sum(os.times()[:2])}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
