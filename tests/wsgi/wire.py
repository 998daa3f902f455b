"""HTTP/1.1 by hand on a raw socket: what the tests see is what was on the wire.

Every read is bounded by the socket's timeout.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass

TIMEOUT = 15.0
Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Head:
    """Status line and headers; names are lower-case, values latin-1."""

    version: str
    status: int
    reason: str
    headers: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known == name]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"{name} is repeated: {values}"
        return values[0] if values else None


@dataclass(frozen=True)
class Answer(Head):
    """A head and its body; `complete` says whether the body ended as its framing promised."""

    body: bytes
    complete: bool


class Closed(Exception):
    """The server closed the connection where more was due; `args[0]` is what it had sent."""


class Connection:
    """One client connection with a read buffer."""

    def __init__(self, sock: socket.socket, host: str = "test.example") -> None:
        sock.settimeout(TIMEOUT)
        self.sock = sock
        self._host = host
        self._buffer = bytearray()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def request(
        self,
        target: str = "/",
        method: str = "GET",
        headers: Headers = (),
        body: bytes | None = None,
        *,
        version: str = "1.1",
        host: str | None = "",
    ) -> None:
        """Send a request, without `host` by the connection's own; a body gets its Content-Length."""
        lines = [f"{method} {target} HTTP/{version}"]
        if host is not None:
            lines.append(f"Host: {host or self._host}")
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))

    def ask(self, target: str = "/", method: str = "GET", headers: Headers = (), body: bytes | None = None) -> Answer:
        """Send a request and read its answer."""
        self.request(target, method, headers, body)
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """Read a whole answer to a request by `method`."""
        head = self.head()
        body, complete = self.body(head, method)
        return Answer(head.version, head.status, head.reason, head.headers, body, complete)

    def whole_or_part(self, method: str = "GET") -> Answer | None:
        """As `answer`; None when the server closed before it sent any of it."""
        try:
            return self.answer(method)
        except Closed as closed:
            if closed.args[0]:
                raise
            return None

    def head(self) -> Head:
        """Read a status line and headers."""
        raw = self._until(b"\r\n\r\n")
        first, *rest = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        version, status, reason = first.split(" ", 2)
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest)]
        return Head(version, int(status), reason, headers)

    def body(self, head: Head, method: str = "GET") -> tuple[bytes, bool]:
        """The body that follows `head`, and whether it is complete."""
        if method == "HEAD" or head.status in (204, 304) or head.status < 200:
            return b"", True
        if head.get("transfer-encoding") == "chunked":
            assert head.get("content-length") is None
            return self._chunked()
        length = head.get("content-length")
        if length is not None:
            try:
                return self.exactly(int(length)), True
            except Closed as closed:
                return closed.args[0], False
        return self.rest()

    def chunk(self) -> bytes:
        """One chunk of a chunked body; empty for the last."""
        size = int(self._until(b"\r\n").split(b";")[0], 16)
        data = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        return data

    def exactly(self, count: int) -> bytes:
        """Read `count` bytes."""
        while len(self._buffer) < count:
            self._more()
        return self._take(count)

    def rest(self) -> tuple[bytes, bool]:
        """What comes until the server closes, and whether it closed without a reset."""
        try:
            while data := self.sock.recv(1 << 16):
                self._buffer += data
        except ConnectionError:
            return self._take(len(self._buffer)), False
        return self._take(len(self._buffer)), True

    def is_closed(self) -> bool:
        """Wait for the server's close; False when it sends more bytes instead."""
        return self.rest()[0] == b""

    def _chunked(self) -> tuple[bytes, bool]:
        body = bytearray()
        try:
            while chunk := self.chunk():
                body += chunk
        except Closed:
            return bytes(body), False
        return bytes(body), True

    def _until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            self._more()
        return self._take(at + len(mark))

    def _more(self) -> None:
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            raise Closed(self._take(len(self._buffer)))
        self._buffer += data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
