"""One HTTP request of a scenario and the answer it must get.

The load sends it; the harness sends it once before and once after each run and compares, because a load generator that
is told only to count will happily count wrong answers.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.message import Message

from assets import Asset


class Wrong(Exception):
    """A server did not answer as it must; one sentence."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Request:
    path: str
    answer: bytes
    status: int = 200
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    served: str = ""
    """Which of several right answers this is, for the table."""

    def settle(self, port: int, timeout: float = 5.0) -> Request:
        """The request as the load sends it to the server behind `port`, or `Wrong`."""
        if complaint := self.complaint(port, timeout):
            raise Wrong(complaint)
        return self

    def complaint(self, port: int, timeout: float = 5.0) -> str | None:
        """Send it once; None when status and body are the expected ones, else one sentence."""
        try:
            response = self.ask(port, timeout)
        except Wrong as error:
            return str(error)
        body = response.body
        if response.status != self.status:
            return f"{self.method} {self.path}: status {response.status}, expected {self.status}; body {body[:200]!r}"
        if body != self.answer:
            return (
                f"{self.method} {self.path}: wrong body of {len(body)} bytes {body[:200]!r}, "
                f"expected {len(self.answer)} bytes {self.answer[:200]!r}"
            )
        return None

    def ask(self, port: int, timeout: float) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            # No Accept-Encoding that is not ours: the load sends none either.
            connection.putrequest(self.method, self.path, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            if self.body:
                connection.putheader("Content-Length", str(len(self.body)))
            connection.endheaders(self.body or None)
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Wrong(f"{self.method} {self.path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()


@dataclass(frozen=True)
class FileRequest:
    """A static file. Right is the file, or a sibling in a coding asked for: not every server knows all of them."""

    asset: Asset
    headers: Mapping[str, str] = field(default_factory=dict)
    revalidate: bool = False
    """Ask as a client that has the file, with the tag this server gave it: the answer is 304."""

    def settle(self, port: int, timeout: float = 5.0) -> Request:
        request = Request(self.asset.url, b"", headers=self.headers)
        response = request.ask(port, timeout)
        coding = response.headers.get("Content-Encoding", "identity")
        answer = self.asset.encoded(coding)
        asked_for = [part.strip() for part in self.headers.get("Accept-Encoding", "").split(",")]
        if (
            response.status != 200
            or answer is None
            or response.body != answer
            or coding not in ("identity", *asked_for)
        ):
            raise Wrong(
                f"GET {request.path}: status {response.status}, not the file: {len(response.body)} bytes in coding {coding}"
            )
        served = f"{coding}, {len(answer)} B"
        if not self.revalidate:
            return replace(request, answer=answer, served=served)
        if (tag := response.headers.get("ETag")) is None:
            raise Wrong(f"GET {request.path}: no ETag")
        headers = {**self.headers, "If-None-Match": tag}
        return replace(request, status=304, headers=headers, served=f"304 for {coding}").settle(port, timeout)
