"""Ways to call start_response, right and wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from knock import argument, knock

PAGES: dict[str, Any] = {}
TEXT = [("Content-Type", "text/plain")]


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


@page
def status(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """`?line=` is the status line; the body is `body`, or nothing for 204 and 304."""
    line = argument(environ, "line", "200 OK")
    bodiless = line[:3] in ("204", "304")
    start_response(line, [] if bodiless else list(TEXT))
    return [] if bodiless else [b"body"]


@page
def bodiless_with_body(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A status without body, and yet one."""
    start_response(argument(environ, "line"), [])
    return [b"never ", b"seen"]


@page
def headers(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The headers of `?set=[[name, value]…]`."""
    given = [(name, value) for name, value in json.loads(argument(environ, "set"))]
    start_response("200 OK", [*TEXT, *given])
    return [b"body"]


@page
def late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """A generator: start_response runs at the first iteration."""
    start_response("202 Accepted", list(TEXT))
    yield b""
    yield b"late"


@page
def written(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """write() first, then an iterable."""
    write = start_response("200 OK", list(TEXT))
    write(b"one ")
    write(b"two ")
    return [b"three ", b"four"]


@page
def never(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return [b"no head"]


@page
def never_and_empty(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return []


@page
def twice(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    start_response("200 OK", list(TEXT))
    return [b"body"]


@page
def replaced(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """An error before the commit replaces status and headers."""
    start_response("200 OK", [*TEXT, ("X-First", "1")])
    try:
        raise ValueError("before the commit")
    except ValueError:
        start_response("503 Sorry", [*TEXT, ("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


@page
def too_late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """An error after the commit: start_response raises it again."""
    start_response("200 OK", list(TEXT))
    yield b"half "
    knock(environ, "half")
    try:
        raise ValueError("after the commit")
    except ValueError:
        start_response("500 Too Late", list(TEXT), sys.exc_info())
    yield b"never seen"
