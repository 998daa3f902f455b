"""Responses by which an application speaks to its server: files that it names, bodies that are not to be buffered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

from bodies import Closing
from knock import argument, tell

PAGES: dict[str, Any] = {}
yielded: Counter[str] = Counter()


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


@page
def names(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Headers `?header=Name:value`, any number, after `?status=`; with a body of the kind `?body=`."""
    arguments = parse_qs(environ["QUERY_STRING"])
    headers = [tuple(header.split(":", 1)) for header in arguments.get("header", [])]
    write = start_response(argument(environ, "status", "200 OK"), headers)
    kind = argument(environ, "body")
    disconnected = environ["monopod.client_disconnected"]

    def chunks() -> Iterator[bytes]:
        for _ in range(1000):
            yielded[argument(environ, "key")] += 1
            yield b"not for the client\n" * 5000

    class Told(Closing):
        def close(self) -> None:
            super().close()
            tell(environ, f"gone {disconnected()}")

    if kind == "list":
        return [b"not for ", b"the client\n"]
    if kind == "write":
        for _ in range(3):
            write(b"not for the client\n" * 5000)
        return []
    if kind == "file":
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))  # type: ignore[no-any-return]
    return Told(environ, chunks()) if kind == "generator" else []


@page
def count(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Chunks taken from the generator of `?key=`."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(yielded[argument(environ, "key")]).encode()]


@page
def mebibytes(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """`?mib=` chunks of that size, counted under `?key=`, with X-Accel-Buffering: `?buffering=`."""

    def chunks() -> Iterator[bytes]:
        for number in range(int(argument(environ, "mib"))):
            yielded[argument(environ, "key")] += 1
            yield bytes([number % 251]) * (1 << 20)

    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Accel-Buffering", argument(environ, "buffering"))])
    return Closing(environ, chunks())
