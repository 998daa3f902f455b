"""close() of the iterable: once, however the request ends."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator

from pep3333.pages import TEXT, Environ, StartResponse, argument, knock, page, record
from pep3333.subject import Running, Subject, arrives, gate
from pep3333.verdict import expect
from wire import Closed


class Closing:
    """Notes the end of the iteration and close(); fails as `?fails=` says."""

    def __init__(self, environ: Environ, chunks: Iterable[bytes]) -> None:
        self._environ = environ
        self._chunks = chunks
        self._fails = argument(environ, "fails")

    def __iter__(self) -> Iterator[bytes]:
        if self._fails == "iter":
            raise ValueError("in __iter__")
        return self._all()

    def _all(self) -> Iterator[bytes]:
        if self._fails == "first":
            raise ValueError("before the first bytestring")
        for chunk in self._chunks:
            yield chunk
            if self._fails == "middle":
                raise ValueError("after the first bytestring")
        record(self._environ, "end")

    def close(self) -> None:
        record(self._environ, "close")
        if self._fails == "close":
            raise ValueError("in close()")


class ClosingList(list[bytes]):
    environ: Environ

    def close(self) -> None:
        record(self.environ, "close")


@page
def closing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """`?status=` and `?length=` for heads that do not go with the body; no head with `?headless=1`."""
    length = [("Content-Length", argument(environ, "length"))] if argument(environ, "length") else []
    if not argument(environ, "headless"):
        status = argument(environ, "status", "200 OK")
        start_response(status, [*([] if status[:3] in ("204", "304") else TEXT), *length])
    return Closing(environ, [b"a", b"b", b"c"])


@page
def closing_list(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    closing = ClosingList([b"only"])
    closing.environ = environ
    return closing


@page
def closing_generator(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A generator whose `finally` is its close()."""

    def body() -> Iterator[bytes]:
        try:
            yield b"first"
            knock(environ, "first")
            for _ in range(1 << 12):
                yield bytes(1 << 16)
        finally:
            record(environ, "close")

    start_response("200 OK", list(TEXT))
    return body()


@page
def closing_endless(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """More than anybody takes, after the gate."""

    def chunks() -> Iterator[bytes]:
        yield b"first"
        knock(environ, "first")
        for _ in range(1 << 12):
            yield bytes(1 << 16)

    start_response("200 OK", list(TEXT))
    return Closing(environ, chunks())


def closes_once(running: Running, key: str, wanted: list[str]) -> None:
    """Further requests run first, on the same threads, so that a second close() would have shown."""
    running.recorded(key, "close")
    expect(running.is_well(), "requests after it fail")
    got = running.recorded(key)
    expect(got.count("close") == 1, f"close() was called {got.count('close')} times")
    expect(got == wanted, f"the order is {got}")


def closes(subject: Subject, method: str = "GET", query: str = "", wanted: tuple[str, ...] = ("end", "close")) -> None:
    key = subject.key()
    with subject.connect() as connection:
        connection.request(f"/closing?key={key}{query}", method)
        with contextlib.suppress(Closed):
            connection.whole_or_part(method)
    closes_once(subject.many, key, list(wanted))


def after_a_whole_response(subject: Subject) -> None:
    closes(subject)
    closes(subject, "POST", "&length=3")


def of_a_list(subject: Subject) -> None:
    key = subject.key()
    subject.ask(f"/closing_list?key={key}")
    closes_once(subject.many, key, ["close"])


def closed_somehow(subject: Subject, method: str, query: str) -> None:
    """Whether the rest of the iterable is asked for is the server's choice; close() is not."""
    key = subject.key()
    with subject.connect() as connection:
        connection.request(f"/closing?key={key}{query}", method)
        with contextlib.suppress(Closed):
            connection.whole_or_part(method)
    got = subject.many.recorded(key, "close")
    closes_once(subject.many, key, ["end", "close"] if "end" in got else ["close"])


def after_head(subject: Subject) -> None:
    closed_somehow(subject, "HEAD", "")


def after_statuses_without_body(subject: Subject) -> None:
    for status in ("204%20No%20Content", "304%20Not%20Modified"):
        closed_somehow(subject, "GET", f"&status={status}")


def after_more_than_content_length(subject: Subject) -> None:
    closed_somehow(subject, "GET", "&length=1")


def after_less_than_content_length(subject: Subject) -> None:
    closed_somehow(subject, "GET", "&length=100")


def without_start_response(subject: Subject) -> None:
    closed_somehow(subject, "GET", "&headless=1")


def after_an_error_in_iter(subject: Subject) -> None:
    closes(subject, "GET", "&fails=iter", ("close",))


def after_an_error_before_the_first_bytestring(subject: Subject) -> None:
    closes(subject, "GET", "&fails=first", ("close",))


def after_an_error_in_the_middle(subject: Subject) -> None:
    closes(subject, "GET", "&fails=middle", ("close",))


def that_raises(subject: Subject) -> None:
    """The response was whole before, and stays so."""
    key = subject.key()
    with subject.connect() as connection:
        answer = connection.ask(f"/closing?key={key}&fails=close&length=3")
    expect((answer.status, answer.body) == (200, b"abc"), f"answered {answer.status} {answer.body!r}")
    closes_once(subject.many, key, ["end", "close"])
    expect(subject.many.logs("in close()"), "the error is not in the log")


def after_the_client_has_left(subject: Subject, target: str) -> None:
    for reset in (False, True):
        key = subject.key()
        with gate() as opened:
            with subject.connect() as connection:
                connection.request(f"/{target}?key={key}&gate={opened.port}")
                visitor = arrives(opened, "first")
                expect(visitor, "the application does not come as far as this")
                if reset:
                    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if visitor:
                visitor.let_through()
        closes_once(subject.many, key, ["close"])


def after_a_disconnect(subject: Subject) -> None:
    after_the_client_has_left(subject, "closing_endless")


def of_a_generator_after_a_disconnect(subject: Subject) -> None:
    after_the_client_has_left(subject, "closing_generator")
