"""`monopod.serve`: a server that blocks, as the command does, in a process that stays the caller's."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
def visible(*, always: bool = False) -> Iterator[None]:
    """Show what the loggers `monopod` say on stderr, unless the program has configured `logging`.

    With `always`, for a command whose terminal it is, unless it has handlers for these very loggers.
    """
    is_ours = _SHOWN.begin(always=always)
    try:
        yield
    finally:
        if is_ours:
            _SHOWN.end()


class _Shown:
    """The handler, for as long as anybody wants it: all servers of a program have the same loggers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._undo = ExitStack()

    def begin(self, *, always: bool) -> bool:
        """One more who wants it; False: somebody else shows it."""
        logger = logging.getLogger("monopod")
        with self._lock:
            if not self._users:
                if logger.handlers or (not always and logger.hasHandlers()):
                    return False
                self._show(logger, always)
            self._users += 1
            return True

    def end(self) -> None:
        """One less."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._undo.close()

    def _show(self, logger: logging.Logger, always: bool) -> None:
        handler = logging.StreamHandler()
        handler.setFormatter(_Lines())
        self._undo.callback(logger.setLevel, logger.level)
        self._undo.callback(logger.removeHandler, handler)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        if always:
            self._undo.callback(setattr, logger, "propagate", logger.propagate)
            logger.propagate = False
            # As logging.config does by default to loggers that it is not told of.
            logger.disabled = logging.getLogger("monopod.access").disabled = False


_SHOWN = _Shown()


class _Lines(logging.Formatter):
    """A line for people, coloured by what came of the request on a terminal that can."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
        self._plain = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
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
