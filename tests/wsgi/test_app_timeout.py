"""Promise: a request that takes longer than --timeout is answered 504 at once and interrupted, and costs the pool no
thread."""

from __future__ import annotations

import json
import time

from gate import Gate
from samples import scrape
from server import Server, Starter, await_true


def names(server: Server) -> set[str]:
    known = json.loads(server.ask("/thread").body)["all"]
    return {name for name in known if name.startswith("monopod-")}


def test_python_code_is_interrupted(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "1", "--timeout", "300ms")
    started = time.monotonic()
    answer = server.ask(f"/computes?gate={gate.port}")
    assert answer.status == 504
    assert answer.body.startswith(b"504 Gateway Timeout\nrequest id: ")
    assert time.monotonic() - started >= 0.3
    gate.wait("RequestTimeout").let_through()
    server.wait_log("app-timeout")
    # Where it stood is told.
    server.wait_log('thread="monopod-1"')
    server.wait_log("in computes")
    server.wait_log("monopod.RequestTimeout")
    assert server.ask("/hello").body == b"hello world\n"
    assert server.terminate() == 0


def test_a_thread_that_waits_in_c_code_is_replaced(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "1", "--timeout", "300ms")
    assert server.ask(f"/waits?gate={gate.port}").status == 504
    visitor = gate.wait("waits")
    assert names(server) == {"monopod-1", "monopod-2"}
    # And its stand-in, and no more: the third would have no thread.
    assert server.ask(f"/waits?gate={gate.port}").status == 504
    other = gate.wait("waits")
    for stuck in (visitor, other):
        stuck.let_through()
    # Those that come back find their place taken, or take it up again; requests do not get their exceptions.
    await_true(lambda: len(names(server)) == 1, "one thread is left")
    for _ in range(10):
        assert server.ask("/hello").body == b"hello world\n"
    assert server.terminate() == 0


def test_a_response_in_time_is_not_touched_by_what_comes_after(start: Starter, gate: Gate) -> None:
    """close() that hangs costs the client nothing, and the pool no thread."""
    server = start("lab:application", "--threads", "1", "--timeout", "300ms")
    with server.connect() as client:
        assert client.ask(f"/closes_late?gate={gate.port}").body == b"complete\n"
        visitor = gate.wait("closes")
        assert client.ask("/hello").body == b"hello world\n"
        visitor.let_through()
        assert client.ask("/hello").body == b"hello world\n"


def test_a_request_whose_client_has_left_is_interrupted_too(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "1", "--timeout", "300ms")
    with server.connect() as client:
        client.request(f"/computes?gate={gate.port}")
        server.ask("/hello")
    gate.wait("RequestTimeout").let_through()
    assert server.ask("/hello").status == 200


def test_too_many_stuck_threads_fail_the_liveness_probe(start: Starter, gate: Gate) -> None:
    """Half of the pool, and more than one."""
    server = start("lab:application", "--threads", "4", "--timeout", "300ms", "--admin-bind", "127.0.0.1:0")
    assert server.ask(f"/waits?gate={gate.port}").status == 504
    stuck = [gate.wait("waits")]
    server.wait_log("stuck=1")
    assert server.ask_admin("/-/live").status == 200
    assert server.ask(f"/waits?gate={gate.port}").status == 504
    stuck.append(gate.wait("waits"))
    server.wait_log("stuck=2")
    live = server.ask_admin("/-/live")
    assert (live.status, live.body) == (503, b"stuck\n")
    assert server.ask_admin("/-/ready").status == 503
    assert scrape(server).get("monopod_threads_stuck") == 2
    assert server.ask("/hello").body == b"hello world\n", "those that ask are served all the same"
    for visitor in stuck:
        visitor.let_through()
    await_true(lambda: scrape(server).get("monopod_threads_stuck") == 0, "the threads are back")
    assert server.ask_admin("/-/live").status == 200


def test_the_time_in_the_queue_does_not_count(start: Starter, gate: Gate) -> None:
    """The second request waits longer than --timeout for the only thread, and is answered."""
    server = start("lab:application", "--threads", "1", "--timeout", "1s")
    with server.connect() as first, server.connect() as second:
        first.request(f"/waits?gate={gate.port}")
        visitor = gate.wait("waits")
        second.request("/hello")
        assert first.answer().status == 504
        assert second.answer().body == b"hello world\n"
        visitor.let_through()


def test_without_a_timeout(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "2", "--timeout", "0")
    with server.connect() as client:
        client.request(f"/waits?gate={gate.port}")
        visitor = gate.wait("waits")
        for _ in range(10):
            assert server.ask("/hello").status == 200
            time.sleep(0.05)
        visitor.let_through()
        assert client.answer().body == b"waited\n"
    assert "app-timeout" not in server.log()
