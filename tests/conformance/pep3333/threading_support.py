"""Threads: as many requests at once as asked for, and one at a time when asked for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from pep3333.pages import Environ, StartResponse, knock, page, record, text
from pep3333.subject import THREADS, Subject, arrives, gate
from pep3333.verdict import expect

inside = 0
lock = threading.Lock()


@page
def overlapping(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Notes how many are in here at once, and the identity of environ."""
    global inside
    with lock:
        inside += 1
    # Long enough for a second thread to come in, were there one.
    time.sleep(0.02)
    knock(environ, "inside")
    with lock:
        record(environ, inside, id(environ))
        inside -= 1
    return text(start_response, b"overlapped")


def in_parallel(subject: Subject) -> None:
    key = subject.key()
    connections = [subject.connect() for _ in range(THREADS)]
    with gate() as opened:
        for connection in connections:
            connection.request(f"/overlapping?key={key}&gate={opened.port}")
        visitors = [arrives(opened, "inside") for _ in connections]
        expect(all(visitors), f"{len(visitors) - visitors.count(None)} of {THREADS} requests run at once")
        for visitor in visitors:
            if visitor:
                visitor.let_through()
        for connection in connections:
            expect(connection.answer().body == b"overlapped", "an answer is lost")
            connection.sock.close()
    got = subject.many.recorded(key)
    expect(len(set(got[1::2])) == THREADS, "requests that run at once share an environ")


def one_at_a_time(subject: Subject) -> None:
    key = subject.key()
    connections = [subject.one.connect() for _ in range(6)]
    for connection in connections:
        connection.request(f"/overlapping?key={key}")
    for connection in connections:
        expect(connection.answer().body == b"overlapped", "an answer is lost")
        connection.sock.close()
    peak = max(subject.one.recorded(key)[0::2])
    expect(peak == 1, f"{peak} requests at once with one thread")
