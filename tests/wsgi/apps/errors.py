"""Applications that fail, by raising or by breaking PEP 3333."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from knock import argument, knock

PAGES: dict[str, Any] = {}
TEXT = [("Content-Type", "text/plain")]
RAISED = {
    name: kind
    for name, kind in [
        ("ValueError", ValueError),
        ("SystemExit", SystemExit),
        ("KeyboardInterrupt", KeyboardInterrupt),
        ("GeneratorExit", GeneratorExit),
        ("RecursionError", RecursionError),
        ("MemoryError", MemoryError),
    ]
}
RETURNED: dict[str, Any] = {
    "none": None,
    "number": 5,
    "text": "text",
    "text-chunks": ["text"],
    "number-chunks": [1, 2],
    "bytes-subclass": [type("Loud", (bytes,), {})(b"LOUD")],
    "bytearray-chunks": [bytearray(b"bytes")],
}


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


@page
def raises(environ: dict[str, Any], start_response: Any) -> Any:
    """Raises `?kind=` before anything else."""
    raise RAISED[argument(environ, "kind")]("the secret of the traceback")


@page
def raises_after(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """Raises after `?chunks=` chunks and the gate; Content-Length is 1000 with `?sized=1`."""
    sized = [("Content-Length", "1000")] if argument(environ, "sized") else []
    start_response("200 OK", [*TEXT, *sized])
    for _ in range(int(argument(environ, "chunks"))):
        yield b"chunk"
    knock(environ, "before the error")
    raise RuntimeError("in the middle")


@page
def returns(environ: dict[str, Any], start_response: Any) -> Any:
    """Returns `?what=`."""
    start_response("200 OK", list(TEXT))
    return RETURNED[argument(environ, "what")]


@page
def text_later(environ: dict[str, Any], start_response: Any) -> Iterator[Any]:
    """bytes, then str."""
    start_response("200 OK", list(TEXT))
    yield b"bytes"
    yield "text"


@page
def wrong_head(environ: dict[str, Any], start_response: Any) -> Any:
    """start_response with what is not allowed, by `?case=`."""
    status, headers = {
        "status-newline": ("200 OK\r\nX-Injected: 1", TEXT),
        "status-number": (200, TEXT),
        "status-short": ("20 OK", TEXT),
        "status-word": ("OK", TEXT),
        "status-1xx": ("100 Continue", TEXT),
        "name-newline": ("200 OK", [*TEXT, ("X-A\r\nX-Injected", "1")]),
        "name-space": ("200 OK", [*TEXT, ("X A", "1")]),
        "name-empty": ("200 OK", [*TEXT, ("", "1")]),
        "value-crlf": ("200 OK", [*TEXT, ("X-Secret", "hunter2\r\nX-Injected: 1")]),
        "value-lf": ("200 OK", [*TEXT, ("X-Secret", "hunter2\nX-Injected: 1")]),
        "value-cr": ("200 OK", [*TEXT, ("X-Secret", "hunter2\rX-Injected: 1")]),
        "value-nul": ("200 OK", [*TEXT, ("X-Secret", "hunter2\0")]),
        "value-wide": ("200 OK", [*TEXT, ("X-Secret", "hunter2 \u20ac")]),
        "value-number": ("200 OK", [*TEXT, ("X-Secret", 1)]),
        "value-bytes": ("200 OK", [*TEXT, ("X-Secret", b"hunter2")]),
        "headers-tuple": ("200 OK", tuple(TEXT)),
        "headers-lists": ("200 OK", [["X-A", "1"]]),
        "length-word": ("200 OK", [*TEXT, ("Content-Length", "four")]),
        "length-sign": ("200 OK", [*TEXT, ("Content-Length", "+4")]),
        "lengths-differ": ("200 OK", [*TEXT, ("Content-Length", "4"), ("Content-Length", "5")]),
    }[argument(environ, "case")]
    start_response(status, headers)
    return [b"body"]


@page
def complains(environ: dict[str, Any], start_response: Any) -> Any:
    """Writes to wsgi.errors and to stderr."""
    errors = environ["wsgi.errors"]
    errors.write("through ")
    errors.writelines(["wsgi", ".errors\n"])
    errors.flush()
    print("through sys.stderr", file=sys.stderr)
    start_response("200 OK", list(TEXT))
    return [b"complained"]
