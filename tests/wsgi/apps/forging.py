"""Says in the server's own log lines what would forge another one; every other page answers 200."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

EVIL = (
    '" status=999 reason="forged'
    "\nFORGED monopod::access: request\r\n"
    '{"target":"monopod::access","message":"FORGED"}'
    "\rFORGED\x0bFORGED\x0c\x00\x08\x07\x1b[31m\x1b]0;FORGED\x07\x7f\x85FORGED\x9b31m\u2028FORGED\u2029\\"
)
TEXT = [("Content-Type", "text/plain")]


class Evil(BaseException):
    """Neither its name nor its text is fit for a log."""


Evil.__name__ = Evil.__qualname__ = EVIL.replace("\x00", "")


class EvilChunk:
    """No chunk, and a class whose name the server tells."""


EvilChunk.__name__ = EvilChunk.__qualname__ = Evil.__name__


def raises(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise ValueError(EVIL)


def raises_evil(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise Evil(EVIL)


def raises_late(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    yield b"late"
    raise ValueError(EVIL)


def raises_in_close(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    class Body(list[bytes]):
        def close(self) -> None:
            raise ValueError(EVIL)

    start_response("200 OK", TEXT)
    return Body([b"whole"])


def no_chunk(environ: dict[str, Any], start_response: Any) -> Iterable[Any]:
    start_response("200 OK", TEXT)
    return [EvilChunk()]


def status(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response(f"200 {EVIL}", TEXT)
    return [b"body"]


def status_latin(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Allowed, as obs-text (RFC 9112 §4)."""
    start_response('200 \x85\x9b" status=999', TEXT)
    return [b"body"]


def name(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, (f"X-{EVIL}", "1")])
    return [b"body"]


def value(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("X-Value", EVIL)])
    return [b"body"]


def hop_by_hop(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Keep-Alive", '\x85\x9b" status=999')])
    return [b"body"]


def length(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", '4" status=999')])
    return [b"body"]


def errors(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    environ["wsgi.errors"].write(EVIL + "\n")
    environ["wsgi.errors"].write(EVIL)
    environ["wsgi.errors"].flush()
    start_response("200 OK", TEXT)
    return [b"body"]


def pages(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The paths of all others."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([path for path in PAGES if path != "/pages"]).encode()]


def thread(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Leaves a thread behind, of which the server tells at its end."""
    threading.Thread(target=threading.Event().wait, name=EVIL).start()
    start_response("200 OK", TEXT)
    return [b"body"]


PAGES: dict[str, Callable[[dict[str, Any], Any], Iterable[Any]]] = {
    f"/{page.__name__}": page
    for page in (
        raises,
        raises_evil,
        raises_late,
        raises_in_close,
        no_chunk,
        status,
        status_latin,
        name,
        value,
        hop_by_hop,
        length,
        errors,
        pages,
        thread,
    )
}


def application(environ: dict[str, Any], start_response: Any) -> Iterable[Any]:
    page = PAGES.get(environ["PATH_INFO"])
    if page:
        return page(environ, start_response)
    start_response("200 OK", [*TEXT, ("Content-Length", "2")])
    return [b"ok"]
