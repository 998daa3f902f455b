"""Slow clients: uploads that trickle in and downloads that are taken sip by sip, so many at a time, for as long as asked.

A program of its own: `trickle.py PLAN` (JSON, see `Plan`). Prints `ready` when all clients are there, and after SIGTERM
one JSON object with what became of them. One process and no thread a client: each client is a generator that
yields the moment at which it wants to go on, so a thousand of them cost a few per cent of a core.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field

# The body both sides know: see apps/slow_clients.py.
PATTERN = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(1 << 15))
TWICE = memoryview(PATTERN + PATTERN)
# Small, or the kernel would take the whole download at once and no client would be slow.
RECEIVE_BUFFER = 32 * 1024
# As over Ethernet. Loopback's segments of 64 KiB let the server's send buffer begin at megabytes, which would swallow a
# download whole: the kernel would buffer for the slow client, whatever the server does.
SEGMENT = 1448
STEP = 0.25
"""Seconds between two pieces of one client."""
TICK = 0.003
"""Clients due within it go on together; no multiple of anything the probe does."""
GRACE = 1.25
"""A client that needs so many times its own time, and a second, was held up: it counts as late."""


@dataclass(frozen=True)
class Plan:
    port: int
    uploads: int
    downloads: int
    """Clients at a time."""
    upload_bytes: int
    upload_seconds: float
    download_rate: float
    """Bytes a second."""

    @property
    def download_seconds(self) -> float:
        return len(PATTERN) / self.download_rate


class Broken(Exception):
    """The transfer did not end as it should; says how, in a word or two."""


class Wrong(Exception):
    """The transfer ended, with the wrong bytes."""


@dataclass
class Client:
    """One transfer on a connection of its own."""

    plan: Plan
    number: int
    born: float
    downloads: bool
    socket: socket.socket = field(default_factory=socket.socket)

    @property
    def expected_seconds(self) -> float:
        return self.plan.download_seconds if self.downloads else self.plan.upload_seconds

    @property
    def deadline(self) -> float:
        return self.born + GRACE * self.expected_seconds + 1

    def life(self) -> Generator[float, None, None]:
        try:
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
            if self.downloads:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self.socket.connect_ex(("127.0.0.1", self.plan.port))
            offset = self.number * 4099 % len(PATTERN)
            yield from self.download(offset) if self.downloads else self.upload(offset)
        except OSError as error:
            raise Broken(f"{type(error).__name__}") from error
        finally:
            self.socket.close()

    def upload(self, offset: int) -> Generator[float, None, None]:
        size = self.plan.upload_bytes
        body = TWICE[offset : offset + size]
        head = f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        yield from self.send(head.encode())
        pieces = max(1, round(self.plan.upload_seconds / STEP))
        for piece in range(pieces):
            yield self.born + (piece + 1) * STEP
            yield from self.send(body[size * piece // pieces : size * (piece + 1) // pieces])
        expected = b"%d %s\n" % (size, hashlib.sha256(body).hexdigest().encode())
        received = yield from self.head()
        while len(received) < len(expected):
            received += yield from self.receive(65536)
        if received != expected:
            raise Wrong(f"upload answered {received[:100]!r}, expected {expected!r}")

    def download(self, offset: int) -> Generator[float, None, None]:
        request = f"GET /download?{offset} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        yield from self.send(request.encode())
        body = yield from self.head()
        taken = 0
        while taken < len(PATTERN):
            # Byte for byte, which says more than a digest and costs less.
            if body != TWICE[offset + taken : offset + taken + len(body)]:
                raise Wrong(f"download of {offset} differs between bytes {taken} and {taken + len(body)}")
            taken += len(body)
            if taken >= len(PATTERN):
                break
            yield self.born + taken / self.plan.download_rate
            body = yield from self.receive(int(self.plan.download_rate * STEP))

    def send(self, piece: bytes | memoryview) -> Generator[float, None, None]:
        while piece:
            try:
                piece = piece[self.socket.send(piece) :]
            except BlockingIOError:
                yield self.soon()
            except (BrokenPipeError, ConnectionResetError) as error:
                raise Broken("cut while it sent") from error

    def receive(self, most: int) -> Generator[float, None, bytes]:
        while True:
            try:
                received = self.socket.recv(most)
            except BlockingIOError:
                yield self.soon()
            else:
                if not received:
                    raise Broken("closed before the end")
                return received

    def head(self) -> Generator[float, None, bytes]:
        """Wait for the head of a 200; what came of the body with it."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += yield from self.receive(4096)
        head, _, rest = received.partition(b"\r\n\r\n")
        status = head.split(None, 2)[1].decode()
        if status != "200":
            raise Broken(f"status {status}")
        return rest

    def soon(self) -> float:
        now = time.monotonic()
        if now > self.deadline:
            raise Broken("late")
        return now + 0.05


class Crowd:
    """The clients, who goes on when, and what became of those who left."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.numbers = itertools.count()
        self.due: list[tuple[float, int, Client, Generator[float, None, None]]] = []
        self.right: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.over = False

    def admit(self, downloads: bool, at: float) -> None:
        client = Client(self.plan, next(self.numbers), at, downloads)
        heapq.heappush(self.due, (at, client.number, client, client.life()))

    def run(self) -> None:
        start = time.monotonic()
        ready = start
        # Spread over one lifetime, so that later they also end one after the other.
        for downloads, count in ((False, self.plan.uploads), (True, self.plan.downloads)):
            length = self.plan.download_seconds if downloads else self.plan.upload_seconds
            for number in range(count):
                self.admit(downloads, start + length * number / count)
            if count:
                ready = max(ready, start + length)
        told = False
        while not self.over:
            now = time.monotonic()
            if not told and now > ready:
                print("ready", flush=True)
                told = True
            wait = TICK if not self.due else max(TICK, self.due[0][0] - now)
            time.sleep(min(wait, 0.2))
            now = time.monotonic()
            while self.due and self.due[0][0] <= now:
                _, number, client, life = heapq.heappop(self.due)
                self.go_on(number, client, life)
        now = time.monotonic()
        for _, _, client, life in self.due:
            if now > client.deadline:
                self.failures["late"] += 1
            life.close()

    def end(self, *_: object) -> None:
        self.over = True

    def go_on(self, number: int, client: Client, life: Generator[float, None, None]) -> None:
        again = time.monotonic()
        try:
            heapq.heappush(self.due, (next(life), number, client, life))
            return
        except StopIteration:
            if again > client.deadline:
                self.failures["late"] += 1
            else:
                self.right["downloads" if client.downloads else "uploads"] += 1
        except Wrong as error:
            self.wrong.append(str(error))
        except Broken as error:
            self.failures[str(error)] += 1
            # Whoever is turned away does not storm the door.
            again += 1
        self.admit(client.downloads, again)


def main() -> int:
    crowd = Crowd(Plan(**json.loads(sys.argv[1])))
    signal.signal(signal.SIGTERM, crowd.end)
    crowd.run()
    result = {
        "right": crowd.right,
        "failures": crowd.failures,
        "wrong": crowd.wrong,
        "under_way": len(crowd.due),
        "cpu_seconds": sum(os.times()[:2]),
    }
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
