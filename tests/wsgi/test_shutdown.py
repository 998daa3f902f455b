"""Promise: SIGTERM and SIGINT let the requests in flight end, refuse new ones, run the exit hooks, and exit 0."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from gate import Gate
from server import Starter, await_true

APP = """
import atexit, threading, time
from lab import application

@atexit.register
def leave():
    with open({mark!r}, "a") as file:
        file.write("atexit\\n")

def app(environ, start_response):
    if environ["PATH_INFO"] == "/linger":
        threading.Thread(target=threading.Event().wait, name="lingering").start()
    if environ["PATH_INFO"] == "/worker":
        def work():
            time.sleep(0.3)
            with open({mark!r}, "a") as file:
                file.write("worked\\n")
        threading.Thread(target=work).start()
    environ["PATH_INFO"] = "/hello"
    return application(environ, start_response)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_request_in_flight_ends_and_new_ones_are_refused(start: Starter, gate: Gate, number: signal.Signals) -> None:
    server = start("lab:application", "--threads", "2")
    with server.connect() as client:
        client.request(f"/hello?name=last&gate={gate.port}")
        visitor = gate.wait("hello")
        server.send_signal(number)
        await_true(server.refuses, "new connections are refused")
        assert server.is_running()
        visitor.let_through()
        answer = client.answer()
        assert (answer.body, answer.complete) == (b"hello last\n", True)
        assert client.is_closed()
    assert server.exit_code() == 0


def test_a_stream_in_flight_ends_whole(start: Starter, gate: Gate) -> None:
    server = start("lab:application")
    with server.connect() as client:
        client.request(f"/stream?gate={gate.port}")
        client.head()
        assert client.chunk() == b"one"
        visitor = gate.wait("one")
        server.send_signal(signal.SIGTERM)
        await_true(server.refuses, "new connections are refused")
        visitor.let_through()
        for word in ("two", "three"):
            assert client.chunk() == word.encode()
            gate.wait(word).let_through()
        assert client.chunk() == b""
    assert server.exit_code() == 0


def test_a_slow_reader_gets_its_whole_response(start: Starter, gate: Gate) -> None:
    server = start("lab:application")
    with server.connect(receive_buffer=4096) as slow:
        slow.request(f"/big?mib=10&gate={gate.port}")
        gate.wait("closed")
        server.send_signal(signal.SIGTERM)
        await_true(server.refuses, "new connections are refused")
        answer = slow.answer()
        assert (len(answer.body), answer.complete) == (10 << 20, True)
    assert server.exit_code() == 0


def test_queued_requests_are_answered_too(start: Starter, gate: Gate, tmp_path: Path) -> None:
    server = start("lab:application", "--threads", "1", "--static", f"/static={tmp_path}")
    with server.connect() as first, server.connect() as second:
        first.request(f"/hello?name=first&gate={gate.port}")
        visitor = gate.wait("hello")
        second.request("/hello?name=second")
        # A third client's answer, which needs no thread, tells that the second was read before it.
        assert server.ask("/static/missing").status == 404
        server.send_signal(signal.SIGTERM)
        await_true(server.refuses, "new connections are refused")
        visitor.let_through()
        assert first.answer().body == b"hello first\n"
        assert second.answer().body == b"hello second\n"
    assert server.exit_code() == 0


def test_idle_connections_do_not_delay(start: Starter) -> None:
    server = start("lab:application")
    with server.connect() as used, server.connect() as untouched:
        assert used.ask("/hello").status == 200
        began = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - began < 5
        assert used.is_closed()
        assert untouched.is_closed()


def test_a_request_on_its_way_while_the_listeners_close_is_answered(start: Starter) -> None:
    server = start("lab:application")
    with server.connect() as kept, server.connect() as untouched:
        assert kept.ask("/hello").status == 200
        server.send_signal(signal.SIGTERM)
        await_true(server.refuses, "new connections are refused")
        for client in (kept, untouched):
            answer = client.ask("/hello")
            assert (answer.status, answer.get("connection")) == (200, "close")
            assert client.is_closed()
        # And nobody is waited for any longer.
        assert server.exit_code() == 0


def test_a_request_that_never_ends_is_cut_off(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--graceful-timeout", "500ms")
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        gate.wait("hello")
        began = time.monotonic()
        server.terminate(timeout=20)
        assert time.monotonic() - began < 15
        assert client.answer().status == 503
        assert client.is_closed()


def test_a_second_signal_ends_it_now(start: Starter, gate: Gate) -> None:
    server = start("lab:application")
    with server.connect() as client:
        client.request(f"/hello?gate={gate.port}")
        gate.wait("hello")
        server.send_signal(signal.SIGTERM)
        await_true(server.refuses, "new connections are refused")
        began = time.monotonic()
        server.terminate(timeout=20)
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("path", "mark"), [("/", "atexit\n"), ("/linger", "atexit\n"), ("/worker", "worked\natexit\n")]
)
def test_exit_hooks_run_and_threads_get_a_bounded_time(start: Starter, tmp_path: Path, path: str, mark: str) -> None:
    """A thread that a request started and that ends soon is waited for; one that never ends is left behind."""
    file = tmp_path / "mark"
    (tmp_path / "leaving.py").write_text(APP.format(mark=str(file)))
    lab = Path(__file__).parent / "apps"
    server = start("leaving:app", cwd=tmp_path, env={"PYTHONPATH": str(lab)})
    assert server.ask(path).status == 200
    assert server.terminate() == 0
    assert file.read_text() == mark


def test_what_was_logged_and_printed_is_out_before_the_exit(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "printing.py").write_text(
        "import atexit\n"
        "atexit.register(print, 'printed at exit')\n"
        "def app(environ, start_response):\n"
        "    print('printed in a request')\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n"
    )
    server = start("printing:app", cwd=tmp_path)
    server.ask("/logged")
    assert server.terminate() == 0
    for words in ("printed in a request", "printed at exit", "/logged"):
        assert words in server.log()
