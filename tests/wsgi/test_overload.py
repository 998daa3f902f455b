"""Promise: a full queue is answered 503 with Retry-After at once, and those inside are served."""

from __future__ import annotations

import hashlib
import json
import random
import selectors
from concurrent.futures import ThreadPoolExecutor

from gate import Gate
from samples import scrape
from server import Starter, await_true
from wire import TIMEOUT


def test_a_full_queue(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "1", "--queue-size", "1")
    with server.connect() as busy, server.connect() as one, server.connect() as other:
        busy.request(f"/hello?name=busy&gate={gate.port}")
        visitor = gate.wait("hello")
        # One of these two waits in the queue, the other finds it full: whoever has an answer now.
        for client in (one, other):
            client.request("/hello")
        with selectors.DefaultSelector() as selector:
            for client in (one, other):
                selector.register(client.sock, selectors.EVENT_READ, client)
            ((key, _),) = selector.select(TIMEOUT)
        refused = key.data
        answer = refused.answer()
        assert answer.status == 503
        assert int(answer.get("retry-after") or "") >= 1
        visitor.let_through()
        assert busy.answer().body == b"hello busy\n"
        waited = other if refused is one else one
        assert waited.answer().body == b"hello world\n"
        assert server.ask("/hello").status == 200


def test_large_uploads_beyond_the_queue(start: Starter, gate: Gate) -> None:
    """They are answered soon as well, and those inside lose nothing."""
    server = start("lab:application", "--threads", "1", "--queue-size", "4")
    body = random.Random(1).randbytes(1_000_000)
    digest = hashlib.sha256(body).hexdigest()
    with server.connect() as busy, ThreadPoolExecutor(12) as clients:
        busy.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        uploads = [clients.submit(server.ask, "/digest", "POST", body=body) for _ in range(12)]
        await_true(lambda: sum(upload.done() for upload in uploads) == 8, "those without a place are refused")
        assert {upload.result().status for upload in uploads if upload.done()} == {503}
        visitor.let_through()
        answers = [upload.result() for upload in uploads]
        assert [json.loads(answer.body)["sha256"] for answer in answers if answer.status == 200] == [digest] * 4
        assert busy.answer().status == 200


def test_a_request_that_waits_too_long(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--threads", "1", "--queue-timeout", "100ms")
    with server.connect() as busy:
        busy.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        answer = server.ask("/hello")
        assert answer.status == 503
        assert answer.get("retry-after")
        visitor.let_through()
        assert busy.answer().status == 200
    assert server.ask("/hello").status == 200


def test_a_client_that_left_the_queue_is_not_served(start: Starter, gate: Gate) -> None:
    server = start("lab:application", "--admin-bind", "127.0.0.1:0", "--threads", "1", "--queue-size", "1")
    with server.connect() as busy:
        busy.request(f"/hello?gate={gate.port}")
        visitor = gate.wait("hello")
        with server.connect() as leaving:
            leaving.request(f"/hello?left=1&gate={gate.port}")
            # A request that comes together with the client's end may never reach the queue.
            await_true(lambda: scrape(server).get("monopod_queue_depth") == 1, "it waits in the queue")
        server.wait_log("left=1")
        visitor.let_through()
        assert busy.answer().status == 200
    assert server.ask("/hello?name=after").body == b"hello after\n"
