"""Promise: the pool's threads live as long as the server, are known to Python, and run side by side."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from gate import Gate
from server import Server, Starter

THREADS = 8


@pytest.fixture(scope="module")
def pool(start_once: Starter) -> Server:
    return start_once("lab:application", "--threads", str(THREADS))


def seen(answer: Any) -> Any:
    assert answer.status == 200, answer
    return json.loads(answer.body)


def test_a_thread_is_started_when_the_others_are_blocked(start: Starter, gate: Gate) -> None:
    """One request at a time needs one thread, or on a busy machine a few, however many there may be."""
    server = start("lab:application", "--threads", str(THREADS))
    assert f"threads={THREADS}" in server.ready_line
    for _ in range(20):
        known = [name for name in seen(server.ask("/thread"))["all"] if name.startswith("monopod-")]
        assert "monopod-1" in known
        assert len(known) < THREADS / 2
    with server.connect() as blocked:
        blocked.request(f"/thread?gate={gate.port}")
        visitor = gate.wait("in the application")
        other = seen(server.ask("/thread"))["name"]
        visitor.let_through()
        assert seen(blocked.answer())["name"] != other


def test_as_many_requests_as_threads_run_at_once(pool: Server, gate: Gate) -> None:
    """All eight are inside the application before the first is let through; Python knows their threads."""
    clients = [pool.connect() for _ in range(THREADS)]
    for client in clients:
        client.request(f"/thread?gate={gate.port}")
    visitors = [gate.wait("in the application") for _ in clients]
    for visitor in visitors:
        visitor.let_through()
    answers = [seen(client.answer()) for client in clients]
    names = {f"monopod-{number + 1}" for number in range(THREADS)}
    assert {answer["name"] for answer in answers} == names
    assert all(names <= set(answer["all"]) for answer in answers)
    for client in clients:
        client.sock.close()


def test_threading_local_persists(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", str(THREADS))
    counts: dict[int, list[int]] = defaultdict(list)
    for _ in range(5):
        clients = [server.connect() for _ in range(THREADS)]
        for client in clients:
            client.request(f"/thread?gate={gate.port}")
        for visitor in [gate.wait("in the application") for _ in clients]:
            visitor.let_through()
        for client in clients:
            thread = seen(client.answer())
            counts[thread["ident"]].append(thread["count"])
            client.sock.close()
    assert len(counts) == THREADS
    assert all(seen == [1, 2, 3, 4, 5] for seen in counts.values())


def test_one_thread_remembers_every_request(start: Starter) -> None:
    server = start("lab:application", "--threads", "1")
    threads = [seen(server.ask("/thread")) for _ in range(10)]
    assert [thread["count"] for thread in threads] == list(range(1, 11))
    assert {thread["name"] for thread in threads} == {"monopod-1"}
    assert threads[0]["multithread"] is False


def test_an_application_may_start_threads_of_its_own(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import threading\n"
        "def app(environ, start_response):\n"
        "    got = []\n"
        "    thread = threading.Thread(target=got.append, args=(b'from a thread',))\n"
        "    thread.start(); thread.join()\n"
        "    start_response('200 OK', [])\n"
        "    return got\n"
    )
    assert start("own:app", cwd=tmp_path).ask().body == b"from a thread"
