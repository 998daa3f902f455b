"""One HTTP request of a scenario and the answer it must get.

The load sends it; the harness sends it once before and once after each run and compares, because a load generator that
is told only to count will happily count wrong answers.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    path: str
    answer: bytes
    status: int = 200
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def complaint(self, port: int, timeout: float = 5.0) -> str | None:
        """Send it once; None when status and body are the expected ones, else one sentence."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request(self.method, self.path, self.body or None, dict(self.headers))
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            return f"{self.method} {self.path}: {type(error).__name__}: {error}"
        finally:
            connection.close()
        if response.status != self.status:
            return f"{self.method} {self.path}: status {response.status}, expected {self.status}; body {body[:200]!r}"
        if body != self.answer:
            return (
                f"{self.method} {self.path}: wrong body of {len(body)} bytes {body[:200]!r}, "
                f"expected {len(self.answer)} bytes {self.answer[:200]!r}"
            )
        return None
