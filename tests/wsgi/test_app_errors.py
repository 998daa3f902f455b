"""Promise: whatever an application raises, returns or breaks, the next request is answered, the log gets the traceback,
and a client can tell a whole answer from a broken one, over HTTP/1.1 and HTTP/1.0."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import struct
import zlib
from pathlib import Path

import pytest

from gate import Gate
from server import Server, Starter, await_true
from wire import Answer, Closed, Headers

# The client of a bad request sees one of these.
REFUSED = "a whole page of 500"
BROKEN = "an answer without its end, or none"
NOTHING_TO_TELL = "a whole answer"

VERSIONS: dict[str, tuple[str, Headers]] = {
    "1.1": ("1.1", []),
    "1.0": ("1.0", []),
    "1.0-keep-alive": ("1.0", [("Connection", "keep-alive")]),
}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def outcome(server: Server, target: str, version: str, method: str = "GET") -> tuple[str, Answer | None]:
    """What a strict client makes of the answer; then another client is answered, and the same one, if it may stay."""
    number, headers = VERSIONS[version]
    with server.connect() as client:
        client.request(target, method, headers, version=number)
        try:
            answer = client.whole_or_part(method)
        except Closed:
            # Within the head.
            answer = None
        if answer is None or not answer.complete:
            seen = BROKEN
            assert client.rest()[0] == b""
        else:
            seen = REFUSED if answer.status == 500 else NOTHING_TO_TELL
            stays = answer.get("connection") != "close" if number == "1.1" else answer.get("connection") == "keep-alive"
            if stays:
                client.request("/hello?name=again", headers=headers, version=number)
                assert client.answer().body == b"hello again\n"
            else:
                assert client.rest()[0] == b""
    assert server.ask("/hello").body == b"hello world\n"
    assert server.is_running()
    if answer:
        head = json.dumps([answer.reason, *answer.headers])
        assert answer.get("x-injected") is None
        for secret in ("Traceback", "secret", "hunter2"):
            assert secret not in head
            assert secret.encode() not in answer.body
    return seen, answer


PLACES = {
    "call": REFUSED,
    "started": REFUSED,
    "iter": REFUSED,
    "length": REFUSED,
    "first": REFUSED,
    "written": BROKEN,
    "second": BROKEN,
    "third": BROKEN,
    # The body is whole by then.
    "close": NOTHING_TO_TELL,
    "attribute": NOTHING_TO_TELL,
}
# How it is raised, and the traceback's last line.
KINDS = {
    "ValueError": "ValueError: the secret of the traceback",
    "SystemExit": "SystemExit: the secret of the traceback",
    "sys.exit": "SystemExit: the secret of the traceback",
    "KeyboardInterrupt": "KeyboardInterrupt: the secret of the traceback",
    "GeneratorExit": "GeneratorExit: the secret of the traceback",
    "RecursionError": "RecursionError: maximum recursion depth exceeded",
    "RecursionError-in-C": "RecursionError: maximum recursion depth exceeded",
    "MemoryError": "MemoryError",
    "BrokenPipeError": "BrokenPipeError: the secret of the traceback",
    "ConnectionAbortedError": "ConnectionAbortedError: the secret of the traceback",
    "CancelledError": "CancelledError: the secret of the traceback",
    "Own": "errors.Own: the secret of the traceback",
    "Unprintable": "errors.Unprintable: <exception str() failed>",
}


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (kind, place)
        for kind in KINDS
        for place in PLACES
        if kind == "ValueError" or place in ("call", "second", "close")
    ],
)
def test_raised(single: Server, kind: str, place: str, version: str) -> None:
    seen, answer = outcome(single, f"/raises?kind={kind}&at={place}", version)
    assert seen == PLACES[place]
    if seen == NOTHING_TO_TELL:
        assert answer
        assert answer.body == b"chunkchunk"
    elif seen == BROKEN and answer:
        assert b"chunkchunk".startswith(answer.body)
    single.wait_log(KINDS[kind])
    assert "Traceback (most recent call last)" in single.log()


@pytest.mark.parametrize("place", ["call", "started", "iter", "first", "second", "close"])
def test_raised_for_head(single: Server, place: str, version: str) -> None:
    """What is raised after the head was sent spoils nothing: there is no body to break."""
    seen, answer = outcome(single, f"/raises?kind=ValueError&at={place}", version, "HEAD")
    assert seen == (NOTHING_TO_TELL if place in ("second", "close") else REFUSED)
    assert answer
    assert answer.body == b""


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
@pytest.mark.parametrize("chunks", [0, 1, 3])
def test_raised_before_the_end_of_a_length(single: Server, chunks: int, sized: str, version: str) -> None:
    """How much arrives before the abort is left to the moment."""
    seen, answer = outcome(single, f"/raises_after?chunks={chunks}{sized}", version)
    assert seen == (BROKEN if chunks else REFUSED)
    assert answer is None or not chunks or (b"chunk" * chunks).startswith(answer.body)


# What is returned: the outcome, and a whole answer's body.
RETURNED: dict[str, str | bytes] = {
    "none": REFUSED,
    "number": REFUSED,
    "true": REFUSED,
    "text": REFUSED,
    "bytes": REFUSED,
    "bytearray": REFUSED,
    "text-chunks": REFUSED,
    "text-generator": REFUSED,
    "number-chunks": REFUSED,
    "number-generator": REFUSED,
    "none-chunks": REFUSED,
    "none-generator": REFUSED,
    "bytearray-chunks": REFUSED,
    "memoryview-chunks": REFUSED,
    "dict-of-text": REFUSED,
    "function": REFUSED,
    "class": REFUSED,
    "no-iterator": REFUSED,
    "length-text": REFUSED,
    "length-negative": REFUSED,
    "coroutine": REFUSED,
    "asynchronous": REFUSED,
    "text-after-bytes": BROKEN,
    "text-in-a-generator-later": BROKEN,
    "number-in-a-generator-later": BROKEN,
    "none-in-a-generator-later": BROKEN,
    # Odd, and allowed: they are iterables of bytes.
    "bytes-subclass": b"LOUD",
    "dict-of-bytes": b"one two",
    "set-of-bytes": b"alone",
    "getitem": b"old way",
    "length-one": b"counted",
    "length-zero": b"counted",
    "length-three": b"counted",
    "empty-list": b"",
    "empty-dict": b"",
    "empty-generator": b"",
    "empty-chunks": b"",
}


@pytest.mark.parametrize("what", RETURNED)
def test_returned(single: Server, what: str, version: str) -> None:
    seen, answer = outcome(single, f"/returns?what={what}", version)
    expected = RETURNED[what]
    if isinstance(expected, bytes):
        assert answer
        assert (seen, answer.body) == (NOTHING_TO_TELL, expected)
    else:
        assert seen == expected
    if what.endswith("-later"):
        assert single.wait_log("made of bytes, not ")


STATUSES = ["newline", "lf", "nul", "number", "none", "bytes", "tuple", "empty", "blank", "short", "long", "word"]
STATUSES += [
    "letters",
    "two-digits",
    "glued",
    "sign",
    "minus",
    "other-digits",
    "wide",
    "surrogate",
    "0xx",
    "1xx",
    "101",
]
NAMES = ["newline", "colon", "space", "space-last", "empty", "nul", "latin", "bytes", "number", "none"]
VALUES = ["crlf", "lf", "cr", "nul", "delete", "escape", "wide", "surrogate", "number", "none", "bytes", "list"]
PAIRS = ["of-three", "of-one", "list", "text", "two-letters", "none"]
LISTS = ["tuple", "dict", "generator", "none", "text", "number"]
LENGTHS = ["word", "sign", "minus", "separator", "blank", "empty", "list", "fraction", "hex", "other-digits", "huge"]
HEADS = [
    *(f"status-{case}" for case in STATUSES),
    *(f"name-{case}" for case in NAMES),
    *(f"value-{case}" for case in VALUES),
    *(f"pair-{case}" for case in PAIRS),
    *(f"headers-{case}" for case in LISTS),
    *(f"length-{case}" for case in LENGTHS),
    "lengths-differ",
]


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_is_not_allowed(single: Server, case: str, version: str) -> None:
    seen, _ = outcome(single, f"/wrong_head?case={case}", version)
    assert seen == REFUSED
    if case in ("value-crlf", "value-lf", "value-cr", "value-nul", "value-wide"):
        # The traceback is printed after the answer.
        single.wait_log("the value of response header x-secret")
    assert "hunter2" not in single.log()


@pytest.mark.parametrize("case", ["status-alone", "subclasses", "lengths-equal"])
def test_a_head_that_is_odd(single: Server, case: str, version: str) -> None:
    """It can be understood in one way only."""
    seen, answer = outcome(single, f"/wrong_head?case={case}", version)
    assert seen == NOTHING_TO_TELL
    assert answer
    assert (answer.status, answer.body, answer.get("content-length")) == (200, b"body", "4")


WAYS = {
    "no-arguments": REFUSED,
    "no-headers": REFUSED,
    "four": REFUSED,
    "unknown-keyword": REFUSED,
    "exc-info-number": REFUSED,
    "exc-info-exception": REFUSED,
    "swallowed-bad": REFUSED,
    "write-text": REFUSED,
    "write-nothing": REFUSED,
    "never": REFUSED,
    "swallowed": NOTHING_TO_TELL,
    "in-a-thread": NOTHING_TO_TELL,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_is_not_allowed(single: Server, way: str, version: str) -> None:
    seen, answer = outcome(single, f"/wrong_call?way={way}", version)
    assert seen == WAYS[way]
    if seen == NOTHING_TO_TELL:
        assert answer
        assert (answer.status, answer.body) == (200, b"body")


def test_what_is_kept_of_another_request_is_of_no_use(single: Server, version: str) -> None:
    for _ in range(3):
        _, answer = outcome(single, "/keeps", version)
        assert answer
        assert answer.get("x-late") is None
    assert answer
    assert json.loads(answer.body)[0] == "RuntimeError"


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize(
    ("sent", "expected"), [(0, BROKEN), (50, BROKEN), (99, BROKEN), (100, NOTHING_TO_TELL), (150, NOTHING_TO_TELL)]
)
def test_a_length_that_is_a_lie(single: Server, kind: str, sent: int, expected: str, version: str) -> None:
    """More than it is cut; less is no whole answer."""
    seen, answer = outcome(single, f"/sized?declared=100&sent={sent}&chunk=30&as={kind}", version)
    assert seen == expected
    assert answer is None or (answer.status, answer.get("content-length")) == (200, "100")
    if seen == NOTHING_TO_TELL:
        assert answer
        assert answer.body == b"x" * 100


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("read", [0, 8 << 20], ids=["unread", "read"])
def test_a_body_without_end(lab: Server, gate: Gate, read: int, reset: bool, version: str) -> None:
    """Others are served beside it, and it ends with its client."""
    number, headers = VERSIONS[version]
    key = f"without-end-{version}-{read}-{reset}"
    with lab.connect() as client:
        client.request(f"/closing_endless?gate={gate.port}&key={key}", headers=headers, version=number)
        gate.wait("first").let_through()
        if read:
            assert client.head().status == 200
            client.exactly(read)
        assert lab.ask("/hello").body == b"hello world\n"
        if reset:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gate.wait("closed")
    assert lab.ask(f"/closed?key={key}").body == b"1"


def test_wsgi_errors_and_stderr_reach_the_log(single: Server) -> None:
    assert single.ask("/complains").status == 200
    assert single.wait_log("through wsgi.errors")
    assert single.wait_log("through sys.stderr")


VANDALS = ["closes-1", "closes-2", "no-stderr", "bad-stderr", "closed-streams", "no-directory", "thread-names"]
VANDALS += ["recursion-limit", "environ", "dies-in-a-thread"]


@pytest.mark.parametrize("way", VANDALS)
def test_what_is_not_the_applications_is_broken(start: Starter, tmp_path: Path, way: str) -> None:
    """Requests are answered after it, by bytes that are the application's, on connections old and new."""
    server = start("lab:application", "--threads", "2")
    directory = tmp_path / "gone"
    directory.mkdir()
    with server.connect() as old:
        assert old.ask(f"/vandal?way={way}&directory={directory}").body == b"done"
        clients = [old, *(server.connect() for _ in range(8))]
        for _ in range(3):
            for number, client in enumerate(clients):
                assert client.ask(f"/hello?name={number}").body == b"hello %d\n" % number
            assert server.ask("/raises?kind=ValueError&at=call").status == 500
            assert json.loads(server.ask("/checksum", "POST", body=bytes(3 << 20)).body)["length"] == 3 << 20
            assert server.ask("/big?mib=3").complete
        for client in clients[1:]:
            client.sock.close()
    for version in VERSIONS:
        seen, _ = outcome(server, "/raises?kind=ValueError&at=second", version)
        assert seen == BROKEN
    assert server.terminate() == 0


@pytest.mark.parametrize("way", ["closes-1", "closes-2"])
def test_nothing_is_printed_into_a_body(start: Starter, way: str) -> None:
    """Nor does the temp file of a body get the number that the application closed, where no connection took it first."""
    server = start("lab:application", "--threads", "2")
    body = random.Random(1).randbytes(3 << 20)
    with server.connect() as old, server.connect() as uploading:
        # Both are accepted.
        for client in (old, uploading):
            assert client.ask("/hello").status == 200
        assert old.ask(f"/vandal?way={way}").body == b"done"
        uploading.request("/checksum", "POST", [("Content-Length", str(len(body)))])
        uploading.send(body[: 2 << 20])
        await_true(lambda: any("deleted" in link for link in descriptors(server)), "the temp file")
        for _ in range(20):
            assert old.ask("/hello").status == 200
            assert old.ask("/raises?kind=ValueError&at=call").status == 500
        uploading.send(body[2 << 20 :])
        assert json.loads(uploading.answer().body) == {"length": len(body), "crc32": zlib.crc32(body)}


def descriptors(server: Server) -> list[str]:
    """What the server has open."""
    links = []
    for link in Path(f"/proc/{server.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(link))
    return links
