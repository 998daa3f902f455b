"""wsgi.file_wrapper around real files and things like files; `?path=` names the file."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterable, Iterator
from typing import Any

from knock import argument, tell

PAGES: dict[str, Any] = {}
BYTES = [("Content-Type", "application/octet-stream")]


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


@page
def plain_file(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """From `?offset=` on, by read() (`?by=read`) or seek(); `?declared=` sets Content-Length."""
    file = open(argument(environ, "path"), "rb")  # noqa: SIM115
    offset = int(argument(environ, "offset", "0"))
    if argument(environ, "by") == "read":
        file.read(offset)
    else:
        file.seek(offset)
    declared = argument(environ, "declared")
    start_response("200 OK", [*BYTES, *([("Content-Length", declared)] if declared else [])])
    return environ["wsgi.file_wrapper"](file, 8192)


@page
def unbuffered_file(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(BYTES))
    return environ["wsgi.file_wrapper"](open(argument(environ, "path"), "rb", buffering=0))


@page
def memory_file(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(BYTES))
    return environ["wsgi.file_wrapper"](io.BytesIO(b"0123456789" * 1000), 777)


@page
def gzip_file(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Has a fileno(), whose bytes are not the ones to send."""
    start_response("200 OK", list(BYTES))
    return environ["wsgi.file_wrapper"](gzip.open(argument(environ, "path"), "rb"))


@page
def pipe_file(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A real descriptor that is no regular file."""
    reading, writing = os.pipe()
    with open(writing, "wb") as end:
        end.write(b"through a pipe")
    start_response("200 OK", list(BYTES))
    return environ["wsgi.file_wrapper"](open(reading, "rb"))


@page
def file_under_middleware(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A middleware that upper-cases what the wrapper gives."""
    inner = plain_file(environ, start_response)

    def upper() -> Iterator[bytes]:
        try:
            for block in inner:
                yield block.upper()
        finally:
            inner.close()  # type: ignore[attr-defined]

    return upper()


class ToldFile(io.FileIO):
    """Tells its close() at the gate."""

    environ: dict[str, Any]

    def close(self) -> None:
        if not self.closed:
            super().close()
            tell(self.environ, "closed")


@page
def closed_file(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    file = ToldFile(argument(environ, "path"))
    file.environ = environ
    start_response("200 OK", list(BYTES))
    return environ["wsgi.file_wrapper"](file)
