"""What the server that counts for the compiler serves: see scripts/train."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

CHUNK = b"s" * 65536
FILE = b"f" * (4 << 20)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """An answer by the path's first part."""
    kind = environ["PATH_INFO"].split("/")[1]
    if kind == "json":
        start_response(
            "200 OK",
            [
                ("Content-Type", "application/json"),
                ("Vary", "Cookie"),
                ("X-Content-Type-Options", "nosniff"),
                ("Set-Cookie", "session=0123456789abcdef; HttpOnly; Path=/; SameSite=Lax"),
                ("Content-Length", "420"),
            ],
        )
        return [b'{"%s"}' % (b"j" * 416)]
    if kind == "body":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d" % len(body)]
    if kind == "stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return stream()
    if kind == "file":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(FILE)))])
        file: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(FILE), 65536)
        return file
    if kind == "wait":
        time.sleep(0.002)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "14")])
    return [b"Hello, World!\n"]


def stream() -> Iterator[bytes]:
    """1 MiB in pieces."""
    for _ in range(16):
        yield CHUNK
