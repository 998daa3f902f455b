"""Promise: programs that have a server end as they would without it: the interpreter does not wait, crash or say
anything, and `monopod.serve` returns where a signal ends it."""

from __future__ import annotations

import re
import signal
import textwrap
from pathlib import Path

import pytest

from python_face import Program, get, needs_package, python, run

pytestmark = needs_package

APP = """
    import monopod, sys, threading, time, urllib.request

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/hang":
            started.set()
            print("hangs", flush=True)
            while True:
                try:
                    time.sleep(0.01)
                except Exception:
                    pass
        start_response("200 OK", [])
        return [b"hello"]

    started = threading.Event()

    def get(path):
        try:
            return urllib.request.urlopen(server.url + path).read()
        except Exception as error:
            return error
"""


def program(code: str) -> str:
    return textwrap.dedent(APP) + textwrap.dedent(code)


def test_an_unstopped_server_ends_with_the_interpreter(tmp_path: Path) -> None:
    code = """
        servers = [monopod.Server(app).start() for _ in range(3)]
        server = servers[0]
        assert get("/") == b"hello"
        print("last line")
    """
    for _ in range(5):
        ended = run("-c", program(code), cwd=tmp_path, timeout=20)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "last line\n", "")


def test_a_request_that_hangs_does_not_hold_the_interpreter(tmp_path: Path) -> None:
    code = """
        server = monopod.Server(app).start()
        threading.Thread(target=get, args=("/hang",), daemon=True).start()
        started.wait()
        print("last line")
    """
    for _ in range(3):
        ended = run("-c", program(code), cwd=tmp_path, timeout=30)
        assert (ended.returncode, ended.stdout) == (0, "hangs\nlast line\n"), ended.stderr


@pytest.mark.parametrize("where", ["call", "iteration", "close"])
def test_a_thread_that_is_left_behind_does_not_crash_the_interpreter(tmp_path: Path, where: str) -> None:
    code = f"""
        def hang():
            started.set()
            while True:
                try:
                    time.sleep(0.001)
                # Also what interrupts a request.
                except BaseException:
                    pass

        class Body:
            def __iter__(self):
                return self
            def __next__(self):
                hang() if {where!r} == "iteration" else None
                raise StopIteration
            def close(self):
                hang()

        def hanging(environ, start_response):
            hang() if {where!r} == "call" else start_response("200 OK", [])
            return Body()

        server = monopod.Server(hanging).start()
        for _ in range(3):
            threading.Thread(target=get, args=("/",), daemon=True).start()
        started.wait()
        print("last line")
    """
    ended = run("-c", program(code), cwd=tmp_path, timeout=30)
    assert (ended.returncode, ended.stdout) == (0, "last line\n"), ended.stderr


def test_an_exception_ends_the_program_and_not_the_server_its_traceback(tmp_path: Path) -> None:
    code = """
        with monopod.Server(app) as server:
            get("/")
            raise SystemExit(7)
    """
    assert run("-c", program(code), cwd=tmp_path).returncode == 7


def test_it_works_in_an_asyncio_program(tmp_path: Path) -> None:
    code = """
        import asyncio

        async def main():
            global server
            with monopod.Server(app) as server:
                answers = await asyncio.gather(*(asyncio.to_thread(get, "/") for _ in range(20)))
            print(set(answers))

        asyncio.run(main())
    """
    assert python(program(code), tmp_path) == "{b'hello'}\n"


SERVE = """
    had = __import__("signal").getsignal(2)
    monopod.serve(app, bind="127.0.0.1:0", threads=2)
    print("returned", __import__("signal").getsignal(2) is had, threading.active_count(), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_returns_at_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with Program("-c", program(SERVE), cwd=tmp_path) as running:
        line = running.wait_for("listening on ")
        url = re.search(r"http://[\d.:]+", line)
        assert url, line
        assert get(url[0] + "/") == (200, b"hello")
        running.process.send_signal(number)
        assert running.exit_code() == 0
        assert "returned True 1" in running.said()
        # One line for the request, as the program configured no logging.
        assert '"GET / HTTP/1.1" 200 5 ' in running.said()


def test_a_second_signal_ends_serve_at_once(tmp_path: Path) -> None:
    with Program("-c", program(SERVE), cwd=tmp_path) as running:
        url = re.search(r"http://[\d.:]+", running.wait_for("listening on "))
        assert url
        code = f"import urllib.request as r; r.urlopen('{url[0]}/hang')"
        with Program("-c", code, cwd=tmp_path):
            running.wait_for("hangs")
            running.process.send_signal(signal.SIGTERM)
            running.wait_for("draining in_flight=1")
            running.process.send_signal(signal.SIGTERM)
            assert running.exit_code() == 0
            assert "returned True" in running.said()


def test_servers_that_are_served_at_once_share_one_handler(tmp_path: Path) -> None:
    code = """
        import logging
        from monopod._serve import visible

        logger = logging.getLogger("monopod")
        first, second = visible(), visible()
        first.__enter__()
        second.__enter__()
        print(len(logger.handlers))
        # The one that began it may be the first to end.
        first.__exit__(None, None, None)
        print(len(logger.handlers), logger.level)
        second.__exit__(None, None, None)
        print(len(logger.handlers), logger.level)
    """
    assert python(program(code), tmp_path) == "1\n1 20\n0 0\n"


def test_serve_on_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    code = """
        import signal
        had = [signal.getsignal(n) for n in (2, 15)]
        thread = threading.Thread(target=monopod.serve, args=(app,), kwargs={"bind": "127.0.0.1:0"}, daemon=True)
        thread.start()
        logged = __import__("logging").getLogger("monopod")
        while not logged.handlers:
            time.sleep(0.01)
        assert [signal.getsignal(n) for n in (2, 15)] == had
        print("ok")
    """
    assert python(program(code), tmp_path) == "ok\n"
