"""Applications that fail, by raising or by breaking PEP 3333."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from knock import argument, knock

PAGES: dict[str, Any] = {}
TEXT = [("Content-Type", "text/plain")]
SECRET = "the secret of the traceback"


class Own(BaseException):
    """No `Exception`, as those of some frameworks' control flow."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError(SECRET)


def recursion() -> None:
    recursion()


# Ways to raise; those that need no function of their own by their classes.
RAISING: dict[str, Callable[[], Any]] = {
    "RecursionError": recursion,
    "RecursionError-in-C": lambda: json.loads("[" * 100_000),
    "MemoryError": lambda: bytes(1 << 62),
    "sys.exit": lambda: sys.exit(SECRET),
}
RAISED: dict[str, type[BaseException]] = {
    kind.__name__: kind
    for kind in (
        ValueError,
        SystemExit,
        KeyboardInterrupt,
        GeneratorExit,
        BrokenPipeError,
        ConnectionAbortedError,
        asyncio.CancelledError,
        Own,
        Unprintable,
    )
}


def fail(kind: str) -> None:
    if kind in RAISING:
        RAISING[kind]()
    raise RAISED[kind](SECRET)


def generator(*chunks: Any) -> Iterator[Any]:
    yield from chunks


class Getitem:
    """The old protocol of sequences, which iter() takes."""

    def __getitem__(self, at: int) -> bytes:
        return [b"old ", b"way"][at]


class NoIterator:
    def __iter__(self) -> Any:
        return 5


class Counted:
    """One chunk, and a length of `length`."""

    def __init__(self, length: Any) -> None:
        self.length = length

    def __len__(self) -> Any:
        return self.length

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"counted"])


async def coroutine() -> list[bytes]:
    return [b"never"]


async def asynchronous() -> Any:
    yield b"never"


# What a call returns, made anew for each.
RETURNED: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "number": lambda: 5,
    "true": lambda: True,
    "text": lambda: "text",
    "bytes": lambda: b"bytes",
    "bytearray": lambda: bytearray(b"bytes"),
    "text-chunks": lambda: ["text"],
    "text-generator": lambda: generator("text"),
    "number-chunks": lambda: [1, 2],
    "number-generator": lambda: generator(1, 2),
    "none-chunks": lambda: [None],
    "none-generator": lambda: generator(None),
    "bytearray-chunks": lambda: [bytearray(b"bytes")],
    "memoryview-chunks": lambda: [memoryview(b"bytes")],
    "text-after-bytes": lambda: [b"bytes", "text"],
    "dict-of-text": lambda: {"text": b"bytes"},
    "function": lambda: generator,
    "class": lambda: Counted,
    "no-iterator": NoIterator,
    "length-text": lambda: Counted("1"),
    "length-negative": lambda: Counted(-1),
    "coroutine": coroutine,
    "asynchronous": asynchronous,
    "bytes-subclass": lambda: [type("Loud", (bytes,), {})(b"LOUD")],
    "dict-of-bytes": lambda: {b"one ": 1, b"two": 2},
    "set-of-bytes": lambda: {b"alone"},
    "getitem": Getitem,
    "length-one": lambda: Counted(1),
    "length-zero": lambda: Counted(0),
    "length-three": lambda: Counted(3),
    "empty-list": list,
    "empty-dict": dict,
    "empty-generator": generator,
    "empty-chunks": lambda: [b"", b""],
    "text-in-a-generator-later": lambda: generator(b"bytes", "text"),
    "number-in-a-generator-later": lambda: generator(b"bytes", b"more", 5),
    "none-in-a-generator-later": lambda: generator(b"bytes", None),
}


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


class Failing:
    """Gives two chunks and fails by `?kind=` in the place of `?at=`."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._at, self._kind = argument(environ, "at"), argument(environ, "kind")
        self._given = 0

    def reached(self, place: str) -> None:
        if self._at == place:
            fail(self._kind)

    def __iter__(self) -> Iterator[bytes]:
        self.reached("iter")
        return self

    def __next__(self) -> bytes:
        self.reached(["first", "second", "third"][self._given])
        if self._given == 2:
            raise StopIteration
        self._given += 1
        return b"chunk"

    def close(self) -> None:
        self.reached("close")


class FailingLength(Failing):
    def __len__(self) -> int:
        self.reached("length")
        return 2


class FailingAttribute(Failing):
    @property
    def close(self) -> Any:
        self.reached("attribute")
        return lambda: None


@page
def raises(environ: dict[str, Any], start_response: Any) -> Any:
    """Raises `?kind=` in the place of `?at=`."""
    at = argument(environ, "at")
    body = {"length": FailingLength, "attribute": FailingAttribute}.get(at, Failing)(environ)
    body.reached("call")
    write = start_response("200 OK", list(TEXT))
    body.reached("started")
    if at == "written":
        write(b"chunk")
        body.reached("written")
    return body


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
    return RETURNED[argument(environ, "what")]()


@page
def text_later(environ: dict[str, Any], start_response: Any) -> Iterator[Any]:
    """bytes, then str."""
    start_response("200 OK", list(TEXT))
    yield b"bytes"
    yield "text"


STATUSES: dict[str, Any] = {
    "status-newline": "200 OK\r\nX-Injected: 1",
    "status-lf": "200 OK\n",
    "status-nul": "200 OK\0",
    "status-number": 200,
    "status-none": None,
    "status-bytes": b"200 OK",
    "status-tuple": (200, "OK"),
    "status-empty": "",
    "status-blank": " 200 OK",
    "status-short": "20 OK",
    "status-long": "2000 OK",
    "status-word": "OK",
    "status-letters": "abc",
    "status-two-digits": "99 x",
    "status-glued": "200OK",
    "status-sign": "+200 OK",
    "status-minus": "-20 OK",
    "status-other-digits": "\u0662\u0660\u0660 OK",
    "status-wide": "200 \u20ac",
    "status-surrogate": "200 \ud800",
    "status-0xx": "000 x",
    "status-1xx": "100 Continue",
    "status-101": "101 Switching Protocols",
}


class Text(str):
    """No `str` to PEP 3333, and yet one to most."""


class Pairs(list[Any]):
    """The same of lists."""


# Where PEP 3333 wants a list of tuples of two str.
HEADERS: dict[str, Any] = {
    "name-newline": [("X-A\r\nX-Injected", "1")],
    "name-colon": [("X-A: 1\r\nX-Injected", "1")],
    "name-space": [("X A", "1")],
    "name-space-last": [("X-A ", "1")],
    "name-empty": [("", "1")],
    "name-nul": [("X\0A", "1")],
    "name-latin": [("X-\xe9", "1")],
    "name-bytes": [(b"X-A", "1")],
    "name-number": [(1, "1")],
    "name-none": [(None, "1")],
    "value-crlf": [("X-Secret", "hunter2\r\nX-Injected: 1")],
    "value-lf": [("X-Secret", "hunter2\nX-Injected: 1")],
    "value-cr": [("X-Secret", "hunter2\rX-Injected: 1")],
    "value-nul": [("X-Secret", "hunter2\0")],
    "value-delete": [("X-Secret", "hunter2\x7f")],
    "value-escape": [("X-Secret", "hunter2\x1b")],
    "value-wide": [("X-Secret", "hunter2 \u20ac")],
    "value-surrogate": [("X-Secret", "hunter2 \ud800")],
    "value-number": [("X-Secret", 1)],
    "value-none": [("X-Secret", None)],
    "value-bytes": [("X-Secret", b"hunter2")],
    "value-list": [("X-Secret", ["hunter2"])],
    "pair-of-three": [("X-A", "1", "2")],
    "pair-of-one": [("X-A",)],
    "pair-list": [["X-A", "1"]],
    "pair-text": ["X-A: 1"],
    "pair-two-letters": ["XA"],
    "pair-none": [None],
    "headers-tuple": (("X-A", "1"),),
    "headers-dict": {"X-A": "1"},
    "headers-generator": generator(("X-A", "1")),
    "headers-none": None,
    "headers-text": "X-A: 1",
    "headers-number": 5,
    "length-word": [("Content-Length", "four")],
    "length-sign": [("Content-Length", "+4")],
    "length-minus": [("Content-Length", "-4")],
    "length-separator": [("Content-Length", "0_4")],
    "length-blank": [("Content-Length", " ")],
    "length-empty": [("Content-Length", "")],
    "length-list": [("Content-Length", "4, 4")],
    "length-fraction": [("Content-Length", "4.0")],
    "length-hex": [("Content-Length", "0x4")],
    "length-other-digits": [("Content-Length", "\xb2")],
    "length-huge": [("Content-Length", "18446744073709551616")],
    "lengths-differ": [("Content-Length", "4"), ("Content-Length", "5")],
    # And what is let pass.
    "status-alone": [],
    "subclasses": Pairs([(Text("X-A"), Text("1"))]),
    "lengths-equal": [("Content-Length", "4"), ("Content-Length", "4")],
}


@page
def wrong_head(environ: dict[str, Any], start_response: Any) -> Any:
    """start_response with what is not allowed, by `?case=`."""
    case = argument(environ, "case")
    headers = HEADERS.get(case, [])
    start_response(STATUSES.get(case, "200" if case == "status-alone" else "200 OK"), headers)
    return [b"body"]


@page
def wrong_call(environ: dict[str, Any], start_response: Any) -> Any:
    """start_response in a way that is not allowed, by `?way=`."""
    way = argument(environ, "way")
    if way == "no-arguments":
        start_response()
    elif way == "no-headers":
        start_response("200 OK")
    elif way == "four":
        start_response("200 OK", [], None, None)
    elif way == "unknown-keyword":
        start_response("200 OK", [], code=200)
    elif way == "exc-info-number":
        start_response("200 OK", [], 5)
    elif way == "exc-info-exception":
        start_response("200 OK", [], ValueError(SECRET))
    elif way == "swallowed":
        # The second one raises, and nobody cares: the first one counts.
        start_response("200 OK", [])
        with contextlib.suppress(Exception):
            start_response("404 Not Found", [])
    elif way == "swallowed-bad":
        # A bad one raises, and is not made good by its being swallowed.
        with contextlib.suppress(Exception):
            start_response("abc", [])
    elif way == "in-a-thread":
        thread = threading.Thread(target=start_response, args=("200 OK", []))
        thread.start()
        thread.join()
    elif way == "write-text":
        start_response("200 OK", [])("text")
    elif way == "write-nothing":
        start_response("200 OK", [])(None)
    return [b"body"]


LATER: list[Any] = []


@page
def keeps(environ: dict[str, Any], start_response: Any) -> Any:
    """Uses the start_response and the write of the request before once more."""
    raised = []
    for old, arguments in LATER:
        try:
            old(*arguments)
        except Exception as error:
            raised.append(type(error).__name__)
    LATER[:] = [(start_response, ("200 OK", [("X-Late", "1")])), (start_response("200 OK", []), (b"late",))]
    return [json.dumps(raised).encode()]


@page
def vandal(environ: dict[str, Any], start_response: Any) -> Any:
    """Breaks something of the process that is not its own, by `?way=`."""
    way = argument(environ, "way")
    if way in ("closes-1", "closes-2"):
        os.close(int(way[-1]))
    elif way == "no-stderr":
        sys.stderr = None
    elif way == "bad-stderr":
        sys.stderr = Getitem()  # type: ignore[assignment]
    elif way == "closed-streams":
        sys.stdout.close()
        sys.stderr.close()
    elif way == "no-directory":
        directory = argument(environ, "directory")
        os.chdir(directory)
        os.rmdir(directory)
    elif way == "thread-names":
        for thread in threading.enumerate():
            thread._name = None  # type: ignore[attr-defined]
        threading._active.clear()  # type: ignore[attr-defined]
    elif way == "recursion-limit":
        sys.setrecursionlimit(60)
    elif way == "environ":
        environ.clear()
    elif way == "dies-in-a-thread":
        thread = threading.Thread(target=sys.exit, args=(1,))
        thread.start()
        thread.join()
    start_response("200 OK", list(TEXT))
    return [b"done"]


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
