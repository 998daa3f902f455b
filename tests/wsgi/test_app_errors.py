"""Promise: whatever an application raises or returns, the client gets a 500 or an aborted connection, the log gets the
traceback, and the server lives on."""

from __future__ import annotations

import pytest

from gate import Gate
from server import Server


def is_plain_500(server: Server, path: str) -> None:
    with server.connect() as client:
        answer = client.ask(path)
        assert answer.status == 500, answer
        assert answer.complete
        assert b"Traceback" not in answer.body
        assert b"secret" not in answer.body
        assert b"hunter2" not in answer.body
        assert answer.get("x-injected") is None
        assert client.ask("/hello").body == b"hello world\n"


@pytest.mark.parametrize(
    "kind", ["ValueError", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "RecursionError", "MemoryError"]
)
def test_raised_before_the_commit(single: Server, kind: str) -> None:
    is_plain_500(single, f"/raises?kind={kind}")
    assert "the secret of the traceback" in single.wait_log(f"{kind}: the secret of the traceback")
    assert "Traceback (most recent call last)" in single.log()
    assert single.is_running()


def test_raised_in_the_iteration_before_the_first_chunk(single: Server) -> None:
    is_plain_500(single, "/raises_after?chunks=0")
    is_plain_500(single, "/raises_after?chunks=0&sized=1")


@pytest.mark.parametrize("sized", [False, True])
def test_raised_after_the_client_has_seen_a_chunk(single: Server, gate: Gate, sized: bool) -> None:
    with single.connect() as client:
        client.request(f"/raises_after?chunks=1&gate={gate.port}{'&sized=1' if sized else ''}")
        head = client.head()
        assert head.status == 200
        assert (client.exactly(5) if sized else client.chunk()) == b"chunk"
        gate.wait("before the error").let_through()
        assert client.rest()[0] == b""
    assert single.ask("/hello").status == 200
    assert single.wait_log("RuntimeError: in the middle")


@pytest.mark.parametrize("sized", ["", "&sized=1"])
@pytest.mark.parametrize("chunks", [1, 3])
def test_raised_after_the_commit_is_never_a_whole_answer(single: Server, chunks: int, sized: str) -> None:
    """How much arrives before the abort is left to the moment."""
    with single.connect() as client:
        client.request(f"/raises_after?chunks={chunks}{sized}")
        answer = client.whole_or_part()
        assert answer is None or (answer.status == 200 and not answer.complete)
        assert answer is None or (b"chunk" * chunks).startswith(answer.body)
    assert single.ask("/hello").status == 200


@pytest.mark.parametrize("what", ["none", "number", "text", "text-chunks", "number-chunks", "bytearray-chunks"])
def test_returned_what_is_no_body(single: Server, what: str) -> None:
    is_plain_500(single, f"/returns?what={what}")


def test_a_subclass_of_bytes_is_bytes(single: Server) -> None:
    assert single.ask("/returns?what=bytes-subclass").body == b"LOUD"


def test_text_after_the_commit(single: Server) -> None:
    with single.connect() as client:
        client.request("/text_later")
        answer = client.whole_or_part()
        assert answer is None or not answer.complete
    assert single.wait_log("made of bytes, not str")


@pytest.mark.parametrize(
    "case",
    [
        "status-newline",
        "status-number",
        "status-short",
        "status-word",
        "status-1xx",
        "name-newline",
        "name-space",
        "name-empty",
        "value-crlf",
        "value-lf",
        "value-cr",
        "value-nul",
        "value-wide",
        "value-number",
        "value-bytes",
        "headers-tuple",
        "headers-lists",
        "length-word",
        "length-sign",
    ],
)
def test_a_head_that_is_not_allowed(single: Server, case: str) -> None:
    is_plain_500(single, f"/wrong_head?case={case}")
    assert "hunter2" not in single.log()
    if case.startswith("value-") and case not in ("value-number", "value-bytes"):
        assert "x-secret" in single.log().lower()


def test_content_lengths_that_differ(single: Server) -> None:
    """Which of the two was meant nobody knows; both must never be sent."""
    with single.connect() as client:
        client.request("/wrong_head?case=lengths-differ")
        answer = client.whole_or_part()
        assert answer is None or answer.status == 500 or not answer.complete or answer.get("content-length") == "4"
    assert single.ask("/hello").status == 200


def test_wsgi_errors_and_stderr_reach_the_log(single: Server) -> None:
    assert single.ask("/complains").status == 200
    assert single.wait_log("through wsgi.errors")
    assert single.wait_log("through sys.stderr")
