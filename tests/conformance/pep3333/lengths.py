"""Content-Length: given by the application, found by the server, or absent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from pep3333.pages import TEXT, Environ, StartResponse, argument, page, record
from pep3333.subject import Subject
from pep3333.verdict import Failed, expect
from server import await_true

TEN = b"0123456789"


class Chunks:
    """`count` chunks of ten bytes; notes each that is asked for, and close()."""

    def __init__(self, environ: Environ, count: int) -> None:
        self._environ = environ
        self._left = count

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        record(self._environ, "next")
        if not self._left:
            raise StopIteration
        self._left -= 1
        return TEN

    def close(self) -> None:
        record(self._environ, "close")


class One:
    """len() is 1, and that is all there is to find out without iterating."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        return iter([TEN])


@page
def declared(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Content-Length `?length=`, body `?chunks=` tens, as `?by=` list or iterator."""
    start_response("200 OK", [*TEXT, ("Content-Length", argument(environ, "length"))])
    count = int(argument(environ, "chunks"))
    return [TEN] * count if argument(environ, "by") == "list" else Chunks(environ, count)


@page
def written_past(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """write() of 30 bytes where 20 are declared; notes whether the third raises."""
    write = start_response("200 OK", [*TEXT, ("Content-Length", "20")])
    write(TEN)
    write(TEN)
    try:
        write(TEN)
    except Exception:
        record(environ, "raised")
        raise
    record(environ, "accepted")
    return []


@page
def undeclared(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """No Content-Length; the body by `?shape=`."""
    write = start_response("200 OK", list(TEXT))
    shape = argument(environ, "shape")
    if shape == "write and one":
        write(TEN)
        return [TEN]
    shapes: dict[str, Iterable[bytes]] = {
        "list of one": [TEN],
        "tuple of one": (TEN,),
        "object of one": One(),
        "list of three": [TEN, b"", TEN],
        "generator": (TEN for _ in range(2)),
        "empty": [],
    }
    return shapes[shape]


def more_is_never_sent(subject: Subject) -> None:
    for by in ("list", "iterator"):
        with subject.connect() as connection:
            connection.request(f"/declared?length=20&chunks=5&by={by}")
            connection.request("/plain")
            answer = connection.answer()
            expect((answer.status, answer.body) == (200, TEN * 2), f"{by}: {answer.status} {answer.body[:60]!r}")
            follows = connection.whole_or_part()
            expect(follows is None or follows.body == b"plain", f"{by}: the excess is on the wire")


def a_longer_bytestring_is_cut(subject: Subject) -> None:
    for by in ("list", "iterator"):
        with subject.connect() as connection:
            connection.request(f"/declared?length=5&chunks=1&by={by}")
            connection.request("/plain")
            answer = connection.answer()
            expect(answer.body == TEN[:5], f"{by}: {answer.body[:60]!r}")
            follows = connection.whole_or_part()
            expect(follows is None or follows.body == b"plain", f"{by}: the excess is on the wire")


def iteration_stops(subject: Subject) -> None:
    """One more bytestring may be asked for, to learn that there is an excess to report.

    Several times: where another thread sends, how many are asked for is a matter of chance.
    """
    for _ in range(10):
        key = subject.key()
        with subject.connect() as connection:
            connection.request(f"/declared?length=20&chunks=1000&by=iterator&key={key}")
            connection.whole_or_part()
        record = subject.many.recorded(key, "close")
        expect(record.count("next") <= 3, f"asked for {record.count('next')} bytestrings where 2 fill Content-Length")
        expect(record.count("close") == 1, f"close() called {record.count('close')} times")


def write_past_it_raises(subject: Subject) -> None:
    key = subject.key()
    with subject.connect() as connection:
        connection.request(f"/written_past?key={key}")
        connection.request("/plain")
        answer = connection.whole_or_part()
        expect(answer is None or answer.body == TEN * 2, f"answered {answer and answer.body!r}")
    got = subject.many.recorded(key, until="raised")
    expect(got == ["raised"], "write() accepted what goes past Content-Length")


def less_closes_the_connection(subject: Subject) -> None:
    for by in ("list", "iterator"):
        with subject.connect() as connection:
            connection.request(f"/declared?length=50&chunks=2&by={by}")
            try:
                answer = connection.whole_or_part()
            except TimeoutError:
                raise Failed(f"{by}: the connection stays open, the client waits") from None
        if answer is not None and answer.status == 200:
            expect(not answer.complete, f"{by}: the response looks complete")
            expect(answer.body == TEN * 2, f"{by}: {answer.body!r}")


def less_is_reported(subject: Subject) -> None:
    """A line that was not there before, and that an answer as it should be does not bring about."""
    before = len(subject.many.log())
    key = subject.key()
    with subject.connect() as connection:
        connection.request(f"/declared?length=50&chunks=2&by=list&key={key}")
        connection.sock.settimeout(2)
        with contextlib.suppress(TimeoutError):
            connection.whole_or_part()
    subject.many.recorded(key)
    words = ("content-length", "content_length", "fewer", "less", "short", "incomplete", "too few", "bytes")

    def reported() -> bool:
        return any(word in subject.many.log()[before:].lower() for word in words)

    with contextlib.suppress(AssertionError):
        await_true(reported, "a report", 2)
    expect(reported(), "nothing in the log")


def of_one_bytestring_is_found(subject: Subject) -> None:
    for shape in ("list of one", "tuple of one"):
        is_found(subject, shape)


def of_any_object_of_one_is_found(subject: Subject) -> None:
    is_found(subject, "object of one")


def is_found(subject: Subject, shape: str) -> None:
    answer = subject.ask(f"/undeclared?shape={shape.replace(' ', '%20')}")
    got = (answer.get("content-length"), answer.body)
    expect(got == ("10", TEN), f"{shape}: Content-Length, body are {got}")


def of_one_after_write_is_not_assumed(subject: Subject) -> None:
    answer = subject.ask("/undeclared?shape=write%20and%20one")
    expect((answer.body, answer.complete) == (TEN * 2, True), f"got {answer.body!r}, complete: {answer.complete}")


def absent_is_framed(subject: Subject) -> None:
    for shape, body in (("list of three", TEN * 2), ("generator", TEN * 2), ("empty", b"")):
        with subject.connect() as connection:
            answer = connection.ask(f"/undeclared?shape={shape.replace(' ', '%20')}")
            expect((answer.body, answer.complete) == (body, True), f"{shape}: {answer.body!r} {answer.headers}")
            unframed = answer.get("transfer-encoding") is None and answer.get("content-length") is None
            if answer.get("connection") != "close" and not unframed:
                expect(connection.ask("/plain").body == b"plain", f"{shape}: the connection is spoiled")


def absent_is_framed_for_http10(subject: Subject) -> None:
    for shape, body in (("list of three", TEN * 2), ("generator", TEN * 2)):
        with subject.connect() as connection:
            connection.request(f"/undeclared?shape={shape.replace(' ', '%20')}", version="1.0")
            answer = connection.answer()
            expect(answer.get("transfer-encoding") is None, f"{shape}: chunked for HTTP/1.0")
            expect((answer.body, answer.complete) == (body, True), f"{shape}: {answer.body!r}")
