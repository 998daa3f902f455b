"""Answers with what the server said of the request: environ and body."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from typing import Any

from knock import argument

PAGES: dict[str, Any] = {}
Pages = Iterable[bytes]


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


def as_json(start_response: Any, value: object) -> Pages:
    body = json.dumps(value).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


@page
def environ(environ: dict[str, Any], start_response: Any) -> Pages:
    """Every plain entry, the types of the others, and how many names of the OS environment are there."""
    plain = {key: value for key, value in environ.items() if isinstance(value, (str, bool, int, tuple))}
    types = {key: type(value).__name__ for key, value in environ.items() if key not in plain}
    cgi = {"SERVER_SOFTWARE", "SERVER_NAME", "SERVER_PORT"}
    leaked = sorted(os.environ.keys() & environ.keys() - cgi)
    return as_json(start_response, {"plain": plain, "types": types, "leaked": leaked, "exact": type(environ) is dict})


@page
def body(environ: dict[str, Any], start_response: Any) -> Pages:
    """Runs the calls of `?ops=[[method, args…]…]` on wsgi.input; bytes come back as latin-1."""
    stream = environ["wsgi.input"]

    def shown(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray)):
            return value.decode("latin-1")
        return [shown(item) for item in value] if isinstance(value, list) else value

    results = []
    for method, *args in json.loads(argument(environ, "ops", '[["read"]]')):
        if method == "iterate":
            results.append(shown(list(stream)))
        elif method == "readinto":
            buffer = bytearray(args[0])
            count = stream.readinto(buffer)
            results.append(shown(buffer[:count]))
        else:
            results.append(shown(getattr(stream, method)(*args)))
    return as_json(
        start_response,
        {
            "results": results,
            "length": environ.get("CONTENT_LENGTH"),
            "transfer": environ.get("HTTP_TRANSFER_ENCODING"),
            "terminated": environ.get("wsgi.input_terminated"),
        },
    )


@page
def digest(environ: dict[str, Any], start_response: Any) -> Pages:
    """Length and sha256 of the body."""
    sha, length = hashlib.sha256(), 0
    while chunk := environ["wsgi.input"].read(1 << 16):
        sha.update(chunk)
        length += len(chunk)
    return as_json(
        start_response, {"length": length, "sha256": sha.hexdigest(), "declared": environ.get("CONTENT_LENGTH")}
    )


@page
def checksum(environ: dict[str, Any], start_response: Any) -> Pages:
    """Length and crc32 of the body, faster than `digest`."""
    crc, length = 0, 0
    while chunk := environ["wsgi.input"].read(1 << 20):
        crc = zlib.crc32(chunk, crc)
        length += len(chunk)
    return as_json(start_response, {"length": length, "crc32": crc})


@page
def unread(environ: dict[str, Any], start_response: Any) -> Pages:
    """Answers without touching the body."""
    return as_json(start_response, "unread")
