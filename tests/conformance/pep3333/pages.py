"""The application side: pages by name, records that a later request can read, and what all pages need.

Runs inside the server under test.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from knock import argument, knock

__all__ = ["PAGES", "TEXT", "Environ", "StartResponse", "argument", "as_json", "knock", "page", "record", "text"]

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Page = Callable[[Environ, StartResponse], Any]

PAGES: dict[str, Page] = {}
TEXT = [("Content-Type", "text/plain")]
records: defaultdict[str, list[Any]] = defaultdict(list)


def page(function: Page) -> Page:
    """Make it the answer to /its_name."""
    name = function.__name__
    assert name not in PAGES, f"two pages are named {name}"
    PAGES[name] = function
    return function


def record(environ: Environ, *events: Any) -> None:
    """Note events under `?key=`."""
    records[argument(environ, "key")].extend(events)


def text(start_response: StartResponse, body: bytes) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


def as_json(start_response: StartResponse, value: object) -> Iterable[bytes]:
    return text(start_response, json.dumps(value).encode("ascii"))


@page
def recorded(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """What was noted under `?key=`."""
    return as_json(start_response, records[argument(environ, "key")])


@page
def plain(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return text(start_response, b"plain")
