"""wsgi.input: every method of the table, the ends of streams, chunked bodies."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from pep3333.pages import Environ, StartResponse, argument, as_json, page
from pep3333.subject import Subject
from pep3333.subject import as_json as read_json
from pep3333.verdict import Failed, expect

Ops = list[list[Any]]

LINES = b"first\nsecond\r\nthi\rrd\x0b\x0c\x85\n\nlast without"
ENDED: Ops = [["read"], ["read", 5], ["readline"], ["readline", 5], ["readlines"], ["iterate"]]


@page
def driven(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Runs the calls of `?ops=[[method, argument…]…]` on wsgi.input; results with their types, bytes as latin-1."""
    stream = environ["wsgi.input"]
    results = []
    for method, *arguments in json.loads(argument(environ, "ops")):
        try:
            if method == "iterate":
                got: Any = list(stream)
            elif method == "next":
                got = next(iter(stream))
            else:
                got = getattr(stream, method)(*arguments)
            items = got if isinstance(got, list) else [got]
            wrong = [type(item).__name__ for item in items if type(item) is not bytes]
            shown = [item.decode("latin-1") for item in items] if not wrong else []
            results.append({"wrong": wrong, "value": shown if isinstance(got, list) else "".join(shown)})
        except Exception as error:
            results.append({"error": f"{type(error).__name__}: {error}"})
    return as_json(start_response, results)


@page
def digested(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    sha, length = hashlib.sha256(), 0
    while chunk := environ["wsgi.input"].read(50_000):
        sha.update(chunk)
        length += len(chunk)
    return as_json(start_response, [length, sha.hexdigest()])


@page
def ignored(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return as_json(start_response, "ignored")


def target(ops: Ops) -> str:
    return f"/driven?ops={quote(json.dumps(ops))}"


def values(results: Any, ops: Ops) -> list[Any]:
    """The results, as bytes and lists of bytes; the first that went wrong is a failure."""
    got = []
    for (method, *arguments), result in zip(ops, results, strict=True):
        call = f"{method}({', '.join(map(repr, arguments))})"
        if "error" in result:
            raise Failed(f"{call} raised {result['error']}")
        expect(not result["wrong"], f"{call} gave {result['wrong']}, not bytes")
        value = result["value"]
        got.append([item.encode("latin-1") for item in value] if isinstance(value, list) else value.encode("latin-1"))
    return got


def drive(subject: Subject, ops: Ops, body: bytes | None = LINES) -> list[Any]:
    """The connection stays open, so a read past Content-Length that goes to the socket never ends."""
    return values(subject.ask_json(target(ops), "GET" if body is None else "POST", body=body), ops)


def are(got: list[Any], wanted: list[Any]) -> None:
    expect(got == wanted, f"got {got}, not {wanted}")


# Methods


def read_size(subject: Subject) -> None:
    are(drive(subject, [["read", 3], ["read", 4], ["read", 0], ["read", 3]]), [b"fir", b"st\ns", b"", b"eco"])


def read_everything(subject: Subject) -> None:
    are(drive(subject, [["read"]]), [LINES])
    are(drive(subject, [["read", 6], ["read"]]), [b"first\n", LINES[6:]])


def read_negative(subject: Subject) -> None:
    are(drive(subject, [["read", 6], ["read", -1], ["read", -1]]), [b"first\n", LINES[6:], b""])


def read_none(subject: Subject) -> None:
    are(drive(subject, [["read", 6], ["read", None]]), [b"first\n", LINES[6:]])


def read_past_the_end(subject: Subject) -> None:
    are(drive(subject, [["read", len(LINES) + 1000], ["read", 1]]), [LINES, b""])


def read_stops_before_the_next_request(subject: Subject) -> None:
    ops: Ops = [["read", 10_000], ["read"]]
    with subject.connect() as connection:
        head = f"POST {target(ops)} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
        connection.send(head.encode() + b"body" + b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
        are(values(read_json(connection.answer()), ops), [b"body", b""])
        expect(connection.answer().body == b"plain", "the request after the body is lost")


def exhausted_stream(subject: Subject) -> None:
    are(drive(subject, [["read"], *ENDED])[1:], [b"", b"", b"", b"", [], []])


def empty_stream(subject: Subject) -> None:
    for body in (None, b""):
        for op, wanted in zip(ENDED, [b"", b"", b"", b"", [], []], strict=True):
            are(drive(subject, [op], body), [wanted])


def readline(subject: Subject) -> None:
    ops: Ops = [["readline"]] * 6
    are(drive(subject, ops), [b"first\n", b"second\r\n", b"thi\rrd\x0b\x0c\x85\n", b"\n", b"last without", b""])


def readline_size(subject: Subject) -> None:
    ops: Ops = [["readline", 3], ["readline", 100], ["readline", 0], ["readline", -1], ["read", 3]]
    are(drive(subject, ops), [b"fir", b"st\n", b"", b"second\r\n", b"thi"])


def readlines(subject: Subject) -> None:
    are(drive(subject, [["readline"], ["readlines"]]), [b"first\n", lines(LINES[6:])])


def readlines_hint(subject: Subject) -> None:
    """The server may ignore the hint: whole lines, in order, and the rest is still there."""
    some, rest = drive(subject, [["readlines", 8], ["read"]])
    expect(b"".join(some) + rest == LINES, f"{some} and then {rest!r}")
    expect(some == lines(LINES)[: len(some)] and len(some) >= 2, f"not whole lines up to the hint: {some}")


def iteration(subject: Subject) -> None:
    are(drive(subject, [["iterate"]]), [lines(LINES)])


def iteration_goes_on_where_read_stopped(subject: Subject) -> None:
    ops: Ops = [["read", 2], ["next"], ["readline"], ["iterate"]]
    are(drive(subject, ops), [b"fi", b"rst\n", lines(LINES)[1], lines(LINES)[2:]])


def lines(data: bytes) -> list[bytes]:
    """As a binary file has them: only LF ends a line."""
    return [line for line in data.replace(b"\n", b"\n\0").split(b"\0") if line]


# Bodies


def large_body(subject: Subject) -> None:
    body = random.Random(1).randbytes(3 << 20)
    got = subject.ask_json("/digested", "POST", body=body)
    expect(got == [len(body), hashlib.sha256(body).hexdigest()], f"{got[0]} of {len(body)} bytes, or others")


def body_in_pieces(subject: Subject) -> None:
    ops: Ops = [["read", len(LINES)], ["read", 1]]
    with subject.connect() as connection:
        head = f"POST {target(ops)} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(LINES)}\r\n\r\n"
        for byte in head.encode() + LINES:
            connection.send(bytes([byte]))
        are(values(read_json(connection.answer()), ops), [LINES, b""])


def unread_body(subject: Subject) -> None:
    """The bytes nobody read are not taken for a request: the next one is answered, or the connection is closed."""
    with subject.connect() as connection:
        smuggled = b"GET /recorded HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.ask("/ignored", "POST", body=smuggled)
        try:
            connection.request("/plain")
            answer = connection.whole_or_part()
        except ConnectionError:
            return
        expect(answer is None or answer.body == b"plain", f"then answered {answer and answer.body[:60]!r}")


def chunked(subject: Subject, ops: Ops, body: bytes) -> list[Any]:
    with subject.connect() as connection:
        connection.request(target(ops), "POST", [("Transfer-Encoding", "chunked")])
        for at in range(0, len(body), 7):
            piece = body[at : at + 7]
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
        return values(read_json(connection.answer()), ops)


def chunked_is_decoded(subject: Subject) -> None:
    ops: Ops = [["read"], ["read"], ["read", 5]]
    are(chunked(subject, ops, LINES), [LINES, b"", b""])


def chunked_by_lines(subject: Subject) -> None:
    ops: Ops = [["readline", 3], ["readline"], ["iterate"], ["read", 1]]
    are(chunked(subject, ops, LINES), [b"fir", b"st\n", lines(LINES)[1:], b""])
