"""`monopod.serve`: a server that blocks, as the command does, in a process that stays the caller's."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from monopod._monopod import Server

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Unpack

    from monopod.annotations import Application, Options, Values


def serve(
    app: "Application",
    *,
    bind: "Values" = "127.0.0.1:8000",
    live: bool = False,
    **options: "Unpack[Options]",
) -> None:
    """Serve a WSGI application until a signal ends it, and return then.

    As `monopod.Server(app, bind=bind, **options)`, which see for the options and for what is raised; nothing is read from
    the environment or from a configuration file. On the main thread SIGTERM and SIGINT (Ctrl-C) drain as those of the
    command do, a second one ends it at once, and the handlers are put back before this returns; requests that are still
    running by then are interrupted. On another thread signals are the program's, and this returns when the process ends.

    Where nobody has configured `logging`, what the logger `monopod` has to say is written to stderr meanwhile.
    """
    server = Server(app, bind=bind, live=live, **options)
    with _signals_for(server), visible():
        server.start()
        try:
            server.wait()
        finally:
            server.stop(0)


@contextmanager
def visible(access: logging.Formatter | None = None) -> Iterator[None]:
    """Show what the loggers `monopod` say on stderr, unless somebody shows it; access records in a form of their own."""
    logger = logging.getLogger("monopod")
    if logger.hasHandlers():
        yield
        return
    had, handler = logger.level, logging.StreamHandler()
    handler.setFormatter(_Lines(access))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(had)


class _Lines(logging.Formatter):
    """A line for people, coloured by what came of the request on a terminal that can."""

    def __init__(self, access: logging.Formatter | None) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
        self._plain = access or logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
        self._color = sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR")

    def format(self, record: logging.LogRecord) -> str:
        if record.name != "monopod.access":
            return super().format(record)
        status = getattr(record, "monopod", {}).get("status", 0)
        color = "31" if status >= 500 else "33" if status >= 400 else ""
        line = self._plain.format(record)
        return f"\x1b[{color}m{line}\x1b[0m" if color and self._color else line


@contextmanager
def _signals_for(server: Server) -> Iterator[None]:
    """SIGTERM and SIGINT are for the server, where this is the thread that may take them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def tell(number: int, _frame: "FrameType | None") -> None:
        server._signal(signal.Signals(number).name)

    had: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            had[number] = signal.signal(number, tell)
        yield
    finally:
        for number, handler in had.items():
            # None: it was not set from Python, and cannot be from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
