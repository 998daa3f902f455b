"""Promise: `monopod.Server` is a value: several at once, started and stopped from any thread, again and again, and the
process stays the program's own."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
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


def saying(text: str) -> Any:
    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [text.encode()]

    return app


def test_a_server_serves_within_its_block() -> None:
    with monopod.Server(hello) as server:
        assert get(server.url + "/path") == (200, b"/path")
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert server.address == ("127.0.0.1", server.port)
        assert server.is_running
        assert server.url in repr(server)
        port = server.port
    assert not server.is_running
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_before_its_first_start_it_is_nowhere() -> None:
    server = monopod.Server(hello)
    for name in ("url", "port", "address", "admin_url"):
        with pytest.raises(RuntimeError, match="has not been started"):
            getattr(server, name)
    assert server.stop() is True
    assert not server.is_running


def test_several_at_once_do_not_mix() -> None:
    servers = [monopod.Server(saying(f"app {n}"), threads=2).start() for n in range(5)]
    try:
        with ThreadPoolExecutor(10) as clients:
            for _ in range(3):
                answers = list(clients.map(lambda server: get(server.url + "/"), servers * 4))
                assert answers == [(200, f"app {n}".encode()) for n in range(5)] * 4
        servers[2].stop()
        assert get(servers[3].url + "/") == (200, b"app 3")
    finally:
        for server in servers:
            server.stop()


def test_fifty_cycles_leave_nothing_behind() -> None:
    def cycle() -> None:
        with monopod.Server(hello, threads=3) as server:
            assert get(server.url + "/") == (200, b"/")

    def footprint() -> tuple[int, int, int]:
        gc.collect()
        fds = len(os.listdir("/proc/self/fd"))
        return fds, len(os.listdir("/proc/self/task")), threading.active_count()

    for _ in range(5):
        cycle()
    before, memory = footprint(), resident()
    for _ in range(50):
        cycle()
    assert footprint() == before
    # A server has some hundred KiB; what grows is the allocator's to explain, and less than 50 of those.
    assert resident() - memory < 4 << 20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_the_application_goes_with_its_server() -> None:
    class App:
        def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
            return hello(environ, start_response)

    app = App()
    gone = weakref.ref(app)
    server = monopod.Server(app)
    del app
    with server:
        get(server.url + "/")
    del server
    gc.collect()
    assert gone() is None


def test_a_server_that_nobody_holds_stops() -> None:
    server = monopod.Server(hello).start()
    port = server.port
    assert get(server.url + "/") == (200, b"/")
    del server

    def refuses() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return True
        return False

    await_true(refuses, "the port is closed")


def test_it_starts_again_on_another_port_or_the_same() -> None:
    server = monopod.Server(hello)
    with server:
        first = server.port
    with monopod.Server(hello, bind=f"127.0.0.1:{first}") as again, server:
        assert server.port != first == again.port
        assert get(server.url + "/") == get(again.url + "/") == (200, b"/")
        with pytest.raises(RuntimeError, match="running already"):
            server.start()


def test_it_may_be_started_and_stopped_on_any_thread() -> None:
    def life(_: int) -> bytes:
        with monopod.Server(hello) as server:
            return get(server.url + "/x")[1]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(life, range(24))) == [b"/x"] * 24
    server = monopod.Server(hello)
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    assert get(server.url + "/") == (200, b"/")
    stopped: list[bool] = []
    stoppers = [threading.Thread(target=lambda: stopped.append(server.stop())) for _ in range(4)]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join()
    assert stopped == [True] * 4


def test_nothing_of_the_process_is_taken() -> None:
    def process() -> list[object]:
        signals = [
            signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
        ]
        masks = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Sig")]
        loggers = [logging.getLogger(name) for name in ("", "monopod", "monopod.access")]
        logs = [(logger.level, list(logger.handlers), logger.propagate) for logger in loggers]
        hooks = [sys.excepthook, threading.excepthook, sys.stdout, sys.stderr, sys.__stdout__, os.getcwd(), sys.path[:]]
        return [*signals, *masks, *logs, *hooks, gc.get_freeze_count(), os.environ.copy()]

    before = process()
    with monopod.Server(hello) as server:
        get(server.url + "/")
        assert process() == before
    assert process() == before


def test_an_exception_of_the_application_is_an_error_in_logging(caplog: pytest.LogCaptureFixture) -> None:
    def app(_environ: dict[str, Any], _start_response: Any) -> list[bytes]:
        raise LookupError("no such thing")

    with monopod.Server(app) as server:
        assert get(server.url + "/broken")[0] == 500
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.name == "monopod"
    assert record.getMessage().startswith("the application raised ")
    assert record.monopod["path"] == "/broken"
    assert record.monopod["reason"] == "app-raised"
    assert "in app" in caplog.text
    assert "LookupError: no such thing" in caplog.text
    # The exception itself, as Sentry and formatters of JSON want it.
    assert record.exc_info
    assert isinstance(record.exc_info[1], LookupError)
    assert caplog.text.count("LookupError: no such thing") == 1


def test_each_request_is_an_info_record_if_somebody_wants_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "monopod"):
        with monopod.Server(hello) as server:
            get(server.url + "/a?b=c")
        records = [record for record in caplog.records if record.name == "monopod.access"]
    (record,) = records
    assert '"GET /a?b=c HTTP/1.1" 200 2 ' in record.getMessage()
    fields = record.monopod  # type: ignore[attr-defined]
    assert (fields["status"], fields["bytes"], fields["path"], fields["query"]) == (200, 2, "/a", "b=c")
    assert any("listening on http://127.0.0.1:" in message for message in caplog.messages)
    caplog.clear()
    with caplog.at_level(logging.INFO, "monopod"), monopod.Server(hello, access_log=False) as server:
        get(server.url + "/")
    assert not [record for record in caplog.records if record.name == "monopod.access"]


def test_wsgi_errors_is_what_stderr_is_at_that_moment(capsys: pytest.CaptureFixture[str]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.errors"].write("a word\n")
        environ["wsgi.errors"].writelines(["two ", "more\n"])
        environ["wsgi.errors"].flush()
        return hello(environ, start_response)

    with monopod.Server(app) as server:
        get(server.url + "/")
    assert capsys.readouterr().err == "a word\ntwo more\n"


def test_stop_lets_requests_finish() -> None:
    began, go_on = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        began.set()
        go_on.wait(20)
        return hello(environ, start_response)

    server = monopod.Server(app).start()
    with ThreadPoolExecutor(2) as threads:
        answer = threads.submit(get, server.url + "/slow")
        assert began.wait(20)
        stopped = threads.submit(server.stop)
        await_true(lambda: refuses(server.port), "the listener is closed")
        assert server.is_running
        assert not stopped.done()
        go_on.set()
        assert answer.result(20) == (200, b"/slow")
        assert stopped.result(20) is True


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_request_that_does_not_end_is_cut_off_and_interrupted(caplog: pytest.LogCaptureFixture) -> None:
    began = threading.Event()
    interrupted: list[str] = []

    def app(_environ: dict[str, Any], _start_response: Any) -> list[bytes]:
        began.set()
        try:
            while True:
                time.sleep(0.01)
        except BaseException as error:
            interrupted.append(type(error).__name__)
            raise

    server = monopod.Server(app).start()
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(get, server.url + "/for-ever")
        assert began.wait(20)
        assert server.stop(0.1) is False
        assert answer.result(20)[0] == 503
    assert interrupted == ["RequestTimeout"]
    assert "cut off in the application" in caplog.text


def test_a_word_that_comes_during_the_start_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    # As a signal's handler runs on the thread that starts the server.
    server = monopod.Server(hello)
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        server._signal("SIGINT")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        server.start()
    assert server.wait() is True


def test_a_request_may_stop_its_own_server() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        servers[0].stop()
        return hello(environ, start_response)

    servers = [monopod.Server(app).start()]
    assert get(servers[0].url + "/bye") == (200, b"/bye")
    assert servers[0].wait() is True


def test_options_are_those_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a file")
    options = {
        "static": {"/files": tmp_path},
        "root_path": "/below",
        "max_body_size": "1k",
        "timeout": timedelta(seconds=30),
        "queue_timeout": 2.5,
        "forwarded_allow_ips": ["127.0.0.1"],
        "health_path": "/healthz",
        "admin_bind": "127.0.0.1:0",
        "threads": None,
    }
    with monopod.Server(hello, **options) as server:
        assert get(server.url + "/files/a.txt") == (200, b"a file")
        assert get(server.url + "/below/page") == (200, b"/page")
        assert get(server.url + "/healthz")[0] == 200
        assert get(server.admin_url + "/-/ready")[0] == 200
        assert b"monopod_threads_max" in get(server.admin_url + "/metrics")[1]


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("error", "options", "sentence"),
    [
        (TypeError, {"thread": 4}, "thread is not an option of monopod; did you mean threads?"),
        (TypeError, {"threads": object()}, "threads wants text, a number"),
        (TypeError, {"temp_dir": 5}, "temp_dir wants text"),
        (TypeError, {"log_level": "debug"}, "log_level is an option of the command only"),
        (TypeError, {"static": ENDLESS}, "static wants text, a number"),
        (TypeError, {"static": {"/a": ["b"]}}, "static wants text, a number"),
        (ValueError, {"headers_file": "/nowhere/at/all"}, "the headers file /nowhere/at/all cannot be read"),
        (ValueError, {"threads": 0}, "threads wants a whole number from 1 to 512, not `0`."),
        (ValueError, {"max_body_size": "much"}, "max_body_size wants"),
        (ValueError, {"bind": "127.0.0.1:http"}, "bind wants an address"),
        (ValueError, {"timeout": -1}, "timeout wants"),
    ],
)
def test_a_wrong_option_is_refused_with_the_commands_sentence(
    error: type[Exception], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(error) as raised:
        monopod.Server(hello, **options)
    assert str(raised.value).startswith(sentence)


def test_what_is_no_application_is_refused() -> None:
    async def asgi(_scope: Any, _receive: Any, _send: Any) -> None: ...

    with pytest.raises(TypeError, match="is not callable, so it is no WSGI application"):
        monopod.Server("module:app")
    with pytest.raises(TypeError, match="is an ASGI application"):
        monopod.Server(asgi)


def test_a_used_port_is_an_oserror_with_its_number(tmp_path: Path) -> None:
    with monopod.Server(hello) as server:
        second = monopod.Server(hello, bind=f"127.0.0.1:{server.port}")
        with pytest.raises(OSError, match="is in use by another process") as raised:
            second.start()
        assert raised.value.errno == 98
        assert get(server.url + "/") == (200, b"/")
    with second:
        assert get(second.url + "/") == (200, b"/")
    with pytest.raises(FileNotFoundError):
        monopod.Server(hello, bind=f"unix:{tmp_path}/missing/socket").start()


def test_a_unix_socket_goes_with_its_server(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with monopod.Server(hello, bind=f"unix:{path}") as server:
        assert server.url == f"unix:{path}"
        assert server.address == str(path)
        with pytest.raises(RuntimeError, match="no port"):
            server.port  # noqa: B018
        assert path.is_socket()
    assert not path.exists()


def test_the_environment_and_files_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "monopod.toml").write_text("threads = 'many'")
    monkeypatch.chdir(tmp_path)
    for name, value in {"MONOPOD_THREADS": "x", "PORT": "1", "MONOPOD_NONSENSE": "1", "WEB_CONCURRENCY": "x"}.items():
        monkeypatch.setenv(name, value)
    with monopod.Server(hello) as server:
        assert get(server.url + "/") == (200, b"/")


def test_a_forked_child_has_no_server() -> None:
    with monopod.Server(hello) as server:
        child = os.fork()
        if child == 0:
            # Whatever goes wrong here must not go on in pytest.
            code = 1
            try:
                code = 0 if not server.is_running and server.stop() is False else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert get(server.url + "/") == (200, b"/")
