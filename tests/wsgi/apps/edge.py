"""Applications at the edge of what is allowed; every other page is lab.py's."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

import lab
from bodies import Closing
from knock import argument, knock, tell
from requests_seen import as_json

PAGES: dict[str, Any] = {}
TEXT = [("Content-Type", "text/plain")]
# A list of a million parts that costs nothing more from one request to the next.
CRUMBS = [b"x"] * (1 << 20)


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    name = environ["PATH_INFO"].split("/")[1]
    body: Iterable[bytes] = PAGES.get(name, lab.application)(environ, start_response)
    return body


# Bodies


@page
def listed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A list of `?kib=` KiB in 64 KiB parts, each made of its own number; Content-Length with `?sized=1`."""
    size = int(argument(environ, "kib")) * 1024
    sized = [("Content-Length", str(size))] if argument(environ, "sized") else []
    start_response("200 OK", [*TEXT, *sized])
    step = 1 << 16
    return [bytes([at // step % 251]) * min(step, size - at) for at in range(0, size, step)]


@page
def at_once(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A generator of one part of `?kib=` KiB, with Content-Length: what Flask and Django answer with."""
    size = int(argument(environ, "kib")) * 1024
    start_response("200 OK", [*TEXT, ("Content-Length", str(size))])
    yield bytes(size)


@page
def crumbs(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """2^20 parts of one byte: a generator, or with `?as=list` a list."""
    start_response("200 OK", list(TEXT))
    return CRUMBS if argument(environ, "as") == "list" else Closing(environ, iter(CRUMBS))


def hold(environ: dict[str, Any]) -> None:
    """Waits at the gate under the word `close`; with `?spin=1` says it and computes for two seconds."""
    if not argument(environ, "spin"):
        return knock(environ, "close")
    tell(environ, "close")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pass
    return None


class HeldClose:
    """An iterable like werkzeug's ClosingIterator, whose close() waits at the gate."""

    def __init__(self, environ: dict[str, Any], chunks: Iterable[bytes]) -> None:
        self._environ = environ
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        hold(self._environ)


class HeldList(list[bytes]):
    """The same as a list."""

    environ: dict[str, Any]

    def close(self) -> None:
        hold(self.environ)


@page
def held(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """`whole` in the shape of `?as=`; what comes after its last byte waits at the gate under the word `close`."""
    shape = argument(environ, "as")
    sized = [] if argument(environ, "unsized") else [("Content-Length", "5")]
    start_response("200 OK", [*TEXT, *sized])
    if shape == "list":
        parts = HeldList([b"who", b"le"])
        parts.environ = environ
        return parts
    if shape == "one":
        return HeldClose(environ, [b"whole"])
    if shape == "several":
        return HeldClose(environ, [b"who", b"", b"le"])

    def generator() -> Iterator[bytes]:
        yield b"whole"
        hold(environ)

    return generator()


@page
def left(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Goes on for ever in the way of `?by=`, after it has told at the gate that it `runs`."""
    way = argument(environ, "by")
    write = start_response("200 OK", list(TEXT))

    if way == "write":
        try:
            write(b"first")
            tell(environ, "runs")
            while True:
                write(b"more")
        finally:
            tell(environ, "closed")

    def chunks() -> Iterator[bytes]:
        if way == "empty-after-first":
            yield b"first"
        yield b""
        tell(environ, "runs")
        while True:
            yield b""

    return Closing(environ, chunks())


# Time


@page
def spin(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Pure Python for two seconds."""
    tell(environ, "computes")
    count, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        count += 1
    return as_json(start_response, count)


@page
def derive(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """One call of about two seconds that computes without the GIL."""
    began = time.monotonic()
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 20_000)
    rounds = int(20_000 * 2 / (time.monotonic() - began))
    tell(environ, "computes")
    return as_json(start_response, hashlib.pbkdf2_hmac("sha256", b"password", b"salt", rounds).hex())


@page
def stuck(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Never ends: `?by=sleep`, or `?by=gil` in one C call that keeps the GIL."""
    tell(environ, "stuck")
    if argument(environ, "by") == "sleep":
        time.sleep(3600)
    # An endless loop in C without a byte code, so nobody else gets the GIL and no signal is looked at.
    deque(repeat(None), maxlen=0)
    return []


def sleep_with(ready: Any) -> None:
    ready.set()
    time.sleep(60)


@page
def child(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Starts a process, ends it once it runs, and tells its exit code; None: it did not end."""
    context: Any = multiprocessing.get_context(argument(environ, "method"))
    ready = context.Event()
    process = context.Process(target=sleep_with, args=(ready,))
    process.start()
    try:
        assert ready.wait(10), "the process does not run"
        process.terminate()
        process.join(5)
        code = process.exitcode
    finally:
        process.kill()
        process.join()
    return as_json(start_response, code)


@page
def shell_child(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """As `child` with a bare fork, which is what multiprocessing and many libraries do."""
    reading, writing = os.pipe()
    number = os.fork()
    if number == 0:
        os.write(writing, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    os.kill(number, signal.SIGTERM)
    deadline = time.monotonic() + 5
    ended, status = 0, 0
    while not ended and time.monotonic() < deadline:
        ended, status = os.waitpid(number, os.WNOHANG)
        time.sleep(0.01)
    if not ended:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
    return as_json(start_response, os.waitstatus_to_exitcode(status) if ended else None)


# start_response


@page
def keywords(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """exc_info by its name: None, then a real one."""
    start_response("200 OK", list(TEXT), exc_info=None)
    try:
        raise ValueError("before the commit")
    except ValueError:
        start_response("503 Sorry", [*TEXT, ("X-Second", "2")], exc_info=sys.exc_info())
    return [b"replaced"]


@page
def reset_content(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """205 with a body, which it must not have; a generator with `?as=generator`."""
    start_response("205 Reset Content", list(TEXT))
    parts = [b"never ", b"seen"]
    return (part for part in parts) if argument(environ, "as") == "generator" else parts


# wsgi.errors


@page
def error_calls(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """`?way=` to write to wsgi.errors; tells what it returned and how many seconds it took."""
    errors = environ["wsgi.errors"]

    def partial() -> None:
        errors.write("no line")
        errors.write(" end yet")
        knock(environ, "written")

    ways: dict[str, Any] = {
        "surrogate": lambda: errors.write("a lone \ud800 surrogate\n"),
        "many": lambda: errors.write("one of many lines .\n" * 100_000),
        "writelines": lambda: errors.writelines(["first of a list\n", "second of", " a list\n"]),
        "generated": lambda: errors.writelines(f"number {n} of a generator\n" for n in range(3)),
        "print": lambda: print("printed", 1, "thing", file=errors),
        "wide": lambda: errors.write("gr\xfc\xdfe \u20ac \U0001f600\n"),
        "partial": partial,
    }
    began = time.monotonic()
    result = ways[argument(environ, "way")]()
    took = time.monotonic() - began
    errors.flush()
    knock(environ, "flushed")
    return as_json(start_response, {"result": repr(result), "took": took})


@page
def error_halves(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A line in two halves; waits at the gate between them."""
    errors = environ["wsgi.errors"]
    name = argument(environ, "name")
    errors.write(f"first half of {name}, ")
    knock(environ, "half")
    errors.write(f"second half of {name}\n")
    return as_json(start_response, None)


@page
def error_threads(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Two threads that write at the same time, each line in several pieces."""
    errors = environ["wsgi.errors"]
    together = threading.Barrier(2)

    def work(name: str) -> None:
        together.wait()
        for number in range(500):
            for piece in ("from ", name, f" {number} ", name, " end\n"):
                errors.write(piece)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work, args=(name,)) for name in ("ping", "pong")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    return as_json(start_response, None)
