"""Promise: after SIGTERM requests are accepted for --drain-delay, each answered with `Connection: close`."""

from __future__ import annotations

import signal
import time

from gate import Gate
from server import Starter, await_true

ADMIN = ("--admin-bind", "127.0.0.1:0")


def test_new_and_old_connections_are_served_and_closed(start: Starter) -> None:
    server = start("lab:application", "--drain-delay", "3s", *ADMIN)
    with server.connect() as kept:
        assert kept.ask("/hello").get("connection") is None
        signalled = time.monotonic()
        server.send_signal(signal.SIGTERM)
        await_true(lambda: server.ask_admin("/-/ready").status == 503, "readiness fails at once")
        assert b"draining" in server.ask_admin("/-/ready").body
        assert server.ask_admin("/-/live").status == 200
        fresh = 0
        while fresh < 3:
            answer = server.ask("/hello")
            assert (answer.status, answer.get("connection"), answer.body) == (200, "close", b"hello world\n")
            fresh += 1
        answer = kept.ask("/hello?name=kept")
        assert (answer.body, answer.get("connection")) == (b"hello kept\n", "close")
        assert kept.is_closed()
    await_true(server.refuses, "new connections are refused")
    assert time.monotonic() - signalled > 2.5
    assert server.exit_code() == 0


def test_requests_of_the_last_moment_end(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--drain-delay", "300ms")
    server.send_signal(signal.SIGTERM)
    with server.connect() as client:
        client.request(f"/hello?name=late&gate={gate.port}")
        visitor = gate.wait("hello")
        await_true(server.refuses, "new connections are refused")
        visitor.let_through()
        assert client.answer().body == b"hello late\n"
    assert server.exit_code() == 0


def test_the_delay_is_for_sigterm_and_ends_with_a_second_signal(start: Starter) -> None:
    hurried = start("lab:application", "--drain-delay", "1m")
    hurried.send_signal(signal.SIGINT)
    assert hurried.exit_code() == 0
    insisted = start("lab:application", "--drain-delay", "1m")
    insisted.send_signal(signal.SIGTERM)
    insisted.wait_log("drain-delay")
    insisted.send_signal(signal.SIGTERM)
    assert insisted.exit_code() == 0
    assert "second-signal" in insisted.log()


def test_graceful_timeout_bounds_the_delay_too(start: Starter) -> None:
    server = start("lab:application", "--drain-delay", "1m", "--graceful-timeout", "300ms")
    server.send_signal(signal.SIGTERM)
    assert server.exit_code() == 0


def test_in_kubernetes_it_is_five_seconds(start: Starter) -> None:
    server = start("lab:application", env={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    server.send_signal(signal.SIGTERM)
    assert "seconds=5" in server.wait_log("drain-delay")
    server.send_signal(signal.SIGTERM)
    assert server.exit_code() == 0
