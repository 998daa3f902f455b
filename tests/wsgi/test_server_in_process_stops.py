"""Promise: whoever stops a server in a program, when and where, is told how it went and does not wait for longer than is said;
the program's own handlers of `logging` hold nothing up."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from python_face import get, needs_package
from server import await_true

pytestmark = needs_package
monopod = pytest.importorskip("monopod")


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


class Handler(logging.Handler):
    """Does something with each record."""

    def __init__(self, handle: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self.emit = handle  # type: ignore[method-assign]


@contextmanager
def handling(handle: Callable[[logging.LogRecord], None], name: str = "monopod.access") -> Iterator[None]:
    logger, handler = logging.getLogger(name), Handler(handle)
    had = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(had)


@pytest.mark.timeout(60)
def test_a_handler_of_logging_may_stop_the_server() -> None:
    told: list[bool] = []
    with handling(lambda _record: told.append(server.stop())):
        server = monopod.Server(hello).start()
        assert get(server.url + "/") == (200, b"/")
        assert server.wait() is True
    # It does not wait there, so it cannot tell how that went.
    assert told == [False]


@pytest.mark.timeout(120)
def test_a_slow_handler_holds_neither_threads_nor_the_end(caplog: pytest.LogCaptureFixture) -> None:
    both = threading.Barrier(2)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/both":
            both.wait(20)
        return hello(environ, start_response)

    def slow(record: logging.LogRecord) -> None:
        if record.name == "monopod.access":
            time.sleep(0.5)

    with handling(slow):
        server = monopod.Server(app, threads=2).start()
        for _ in range(40):
            get(server.url + "/")
        with ThreadPoolExecutor(2) as threads:
            # A second thread is needed, which that of the handlers starts; all records would take 20 s.
            began = time.monotonic()
            answers = list(threads.map(get, [server.url + "/both"] * 2))
            assert [status for status, _ in answers] == [200, 200]
            assert time.monotonic() - began < 10
        began = time.monotonic()
        assert server.stop() is True
        assert time.monotonic() - began < 8
    assert "log records were dropped" in caplog.text


def test_access_records_begin_when_somebody_wants_them() -> None:
    seen: list[str] = []
    with monopod.Server(hello) as server:
        get(server.url + "/unwanted")
        with handling(lambda record: seen.append(record.getMessage())):

            def is_seen() -> bool:
                get(server.url + "/wanted")
                return bool(seen)

            await_true(is_seen, "a record")
    assert not [message for message in seen if "/unwanted" in message]


def test_stop_during_a_start_stops_what_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    server = monopod.Server(hello)
    start = threading.Thread.start
    stopped: list[bool] = []
    stopper = threading.Thread(target=lambda: stopped.append(server.stop()))

    def held_up(thread: threading.Thread) -> None:
        if thread.name == "monopod-server":
            start(stopper)
            # In time to see a server that is not up yet.
            stopper.join(0.2)
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", held_up)
        server.start()
    stopper.join(20)
    assert stopped == [True]
    assert not server.is_running


def test_a_thread_that_cannot_start_is_an_error_and_costs_nothing_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    server, path = monopod.Server(hello, bind=f"unix:{tmp_path}/s"), tmp_path / "s"
    hooks: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        patch.setattr(atexit, "register", hooks.append)
        patch.setattr(atexit, "unregister", hooks.remove)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            server.start()
    # One that is left waits for five seconds at the interpreter's end.
    assert hooks == []
    assert not path.exists()
    with server:
        assert server.is_running


@pytest.mark.parametrize("timeout", [1e19, float("inf"), sys.float_info.max])
def test_stop_takes_any_number_of_seconds(timeout: float) -> None:
    server = monopod.Server(hello).start()
    assert get(server.url + "/") == (200, b"/")
    assert server.stop(timeout) is True
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout wants seconds"):
            server.stop(wrong)


def test_an_exception_that_leaves_the_block_waits_for_no_request() -> None:
    began, go_on = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        began.set()
        while not go_on.wait(0.01):
            pass
        return hello(environ, start_response)

    left: list[float] = []

    def leave(server: Any) -> None:
        with server:
            answers.append(threads.submit(get, server.url + "/"))
            assert began.wait(20)
            left.append(time.monotonic())
            raise LookupError

    answers: list[Any] = []
    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(LookupError):
            leave(monopod.Server(app))
        assert time.monotonic() - left[0] < 12, "graceful_timeout is 25 s"
        go_on.set()
        assert answers[0].result(20)[0] == 503
