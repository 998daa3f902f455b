"""Writes to its own log, to stdout and stderr, and shows what the server named its requests."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from knock import argument, knock

logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
LOG = logging.getLogger("app")
TEXT = [("Content-Type", "text/plain")]
MULTILINE = 'first\nFORGED {"message":"FORGED"}\r\x1b[31m\x85\u2028 last'


def hello(environ: dict[str, Any]) -> bytes:
    """The environ that names the request."""
    names = ("monopod.request_id", "HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT")
    return json.dumps({name: environ.get(name) for name in names}).encode()


def raises(environ: dict[str, Any]) -> bytes:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError(MULTILINE) from error


def complains(environ: dict[str, Any]) -> bytes:
    """A line, or many long ones."""
    for _ in range(int(argument(environ, "count", "1"))):
        environ["wsgi.errors"].write("a complaint" + "." * int(argument(environ, "length", "0")) + "\n")
    return b"complained"


def waits(environ: dict[str, Any]) -> bytes:
    where_it_waits(environ)
    return b"waited"


def where_it_waits(environ: dict[str, Any]) -> None:
    knock(environ, "waits")


def logs(environ: dict[str, Any]) -> bytes:
    """Long lines by `logging` to stderr and by `print` to stdout, as many as asked for."""
    name, length = argument(environ, "name"), int(argument(environ, "length"))
    for number in range(int(argument(environ, "count"))):
        LOG.info("begin %s %d %s end", name, number, "x" * length)
        print(f"begin print {name} {number} {'y' * length} end\n", end="")
    return b"logged"


def half(environ: dict[str, Any]) -> bytes:
    """A line that is shown before it ends."""
    print("half a line", end="", flush=True)
    return b"half"


def rest(environ: dict[str, Any]) -> bytes:
    print(", and its other half")
    return b"rest"


def forks(environ: dict[str, Any]) -> bytes:
    """A child that was forked while others write, and writes itself."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            print("z" * 100)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    codes = []
    for _ in range(20):
        child = os.fork()
        if child == 0:
            print("from a child")
            environ["wsgi.errors"].write("a complaint of a child\n")
            sys.stdout.flush()
            os._exit(7)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for writer in writers:
        writer.join()
    return json.dumps(codes).encode()


def streams(environ: dict[str, Any]) -> bytes:
    """What libraries expect of `sys.stdout` and `sys.stderr`."""
    found = {}
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        stream.reconfigure(line_buffering=True)
        stream.buffer.write(b"by its buffer\n")
        stream.buffer.write(memoryview(b"by a view\n"))
        stream.write("gr\xfc\xdfe\n")
        found[name] = [
            stream.fileno(),
            stream.isatty(),
            stream.encoding,
            stream.name,
            stream.writable(),
            isinstance(stream, io.TextIOWrapper),
            isinstance(stream.buffer, io.BufferedIOBase),
            stream is getattr(sys, f"__{name}__"),
        ]
    subprocess.run([sys.executable, "-c", "print('by a child process')"], check=True)
    sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8", line_buffering=True)  # type: ignore[union-attr]
    print("by another stream")
    return json.dumps(found).encode()


def closes(environ: dict[str, Any]) -> bytes:
    """Replaces descriptor 1, as daemons do."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return b"closed"


def prints(environ: dict[str, Any]) -> bytes:
    print("printed to", argument(environ, "to"), file=getattr(sys, argument(environ, "to")))
    return b"printed"


PAGES: dict[str, Callable[[dict[str, Any]], bytes]] = {
    f"/{page.__name__}": page
    for page in (
        hello,
        raises,
        complains,
        waits,
        logs,
        half,
        rest,
        forks,
        streams,
        closes,
        prints,
    )
}


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = PAGES[environ["PATH_INFO"]](environ)
    start_response("200 OK", [*TEXT, ("X-Cache", 'a "hit"')])
    return [body]
