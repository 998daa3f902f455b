"""Requests that last: one that hangs, one that streams, one that looks whether anybody still listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from knock import argument, knock, tell

PAGES: dict[str, Any] = {}
TEXT = [("Content-Type", "text/plain")]


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


@page
def computes(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Python code without end; tells the gate what ended it."""
    try:
        while True:
            time.sleep(0.01)
    except BaseException as error:
        tell(environ, type(error).__name__)
        raise


@page
def waits(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Waits in C code, for the gate."""
    knock(environ, "waits")
    start_response("200 OK", list(TEXT))
    return [b"waited\n"]


@page
def closes_late(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A complete response whose close() waits for the gate."""

    class Late:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"complete\n"])

        def close(self) -> None:
            knock(environ, "closes")

    start_response("200 OK", [*TEXT, ("Content-Length", "9")])
    return Late()


@page
def lasts(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A chunk, and another one after the gate."""

    def chunks() -> Iterator[bytes]:
        yield b"first\n"
        knock(environ, "lasts")
        yield b"last\n"

    start_response("200 OK", list(TEXT))
    return chunks()


@page
def looks(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Runs until nobody listens, and tells so; `?thread=1`: another thread looks; `?after=1`: after a first chunk."""
    disconnected = environ["monopod.client_disconnected"]

    def until_left() -> None:
        while not disconnected():
            time.sleep(0.005)
        tell(environ, "left")

    def chunks() -> Iterator[bytes]:
        if argument(environ, "after"):
            yield b"first\n"
        knock(environ, f"looks {disconnected()}")
        if argument(environ, "thread"):
            other = threading.Thread(target=until_left)
            other.start()
            other.join()
        else:
            until_left()

    start_response("200 OK", list(TEXT))
    return chunks()
