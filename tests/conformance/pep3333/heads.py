"""start_response: when it may be called, what it returns, and what exc_info does."""

from __future__ import annotations

import gc
import select
import sys
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from pep3333.pages import TEXT, Environ, StartResponse, argument, knock, page, record
from pep3333.subject import Subject, arrives, gate
from pep3333.verdict import expect

QUIET = 0.2


@page
def called(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """What start_response returns; `?third=1` gives exc_info=None by position."""
    third = [None] if argument(environ, "third") else []
    write = start_response("200 OK", list(TEXT), *third)
    return [type(write).__name__.encode() if callable(write) else b"not callable"]


@page
def late(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """A generator: nothing of it runs before the first iteration."""
    start_response("202 Accepted", list(TEXT))
    yield b"late"


@page
def held_back(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """start_response, then `?empties=` empty bytestrings, then the gate, then the body."""

    def body() -> Iterator[bytes]:
        for _ in range(int(argument(environ, "empties"))):
            yield b""
        knock(environ, "no body yet")
        yield b"body"

    start_response("200 OK", list(TEXT))
    return body()


@page
def empty(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """`?shape=`: an iterable that yields nothing, or nothing but empty bytestrings."""
    start_response("201 Created", [*TEXT, ("X-Empty", "1")])
    shapes: dict[str, Any] = {"list": [], "generator": iter(()), "one": [b""], "two": iter([b"", b""])}
    return shapes[argument(environ, "shape")]  # type: ignore[no-any-return]


@page
def twice(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    attempt(environ, start_response, "200 OK", list(TEXT))
    return [b"first"]


@page
def after_a_bad_first(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The first call raises; without exc_info the second must raise as well, with it it must not."""
    attempt(environ, start_response, "200 OK", [("X-Bad", "a\r\nb: c")])
    attempt(environ, start_response, "200 OK", list(TEXT))
    try:
        raise ValueError("to have an exc_info")
    except ValueError:
        attempt(environ, start_response, "200 OK", list(TEXT), sys.exc_info())
    return [b"third"]


@page
def replaced(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The application changes its mind: before it returns, or after `?empties=` empty bytestrings."""
    empties = int(argument(environ, "empties"))

    def change_of_mind() -> None:
        try:
            raise ValueError("before the first bytestring")
        except ValueError:
            start_response("503 Sorry", [*TEXT, ("X-Second", "2")], sys.exc_info())

    def body() -> Iterator[bytes]:
        for _ in range(empties):
            yield b""
        change_of_mind()
        yield b"replaced"

    start_response("200 OK", [*TEXT, ("X-First", "1"), ("Content-Length", "1000")])
    if empties:
        return body()
    change_of_mind()
    return [b"replaced"]


@page
def too_late(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """An error after the first bytestring, given by write() or by the iterable."""

    def change_of_mind() -> None:
        try:
            raise ValueError("after the first bytestring")
        except ValueError as error:
            try:
                start_response("500 Too Late", list(TEXT), sys.exc_info())
            except BaseException as raised:
                record(environ, "the same" if raised is error else f"{type(raised).__name__}: {raised}")
                raise
            record(environ, "nothing raised")

    def body() -> Iterator[bytes]:
        yield b"half "
        change_of_mind()
        yield b"never seen"

    write = start_response("200 OK", list(TEXT))
    if argument(environ, "how") == "yield":
        return body()
    write(b"half ")
    change_of_mind()
    return [b"never seen"]


@page
def forgotten(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Whether the exception given as exc_info dies as soon as the application lets go of it."""

    class Marked(Exception):
        pass

    def change_of_mind() -> weakref.ref[Marked]:
        try:
            raise Marked
        except Marked as marked:
            known = weakref.ref(marked)
            start_response("200 OK", list(TEXT), sys.exc_info())
        return known

    start_response("200 OK", list(TEXT))
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        record(environ, "alive" if change_of_mind()() else "dead")
    finally:
        if was_enabled:
            gc.enable()
    return [b"body"]


@page
def never(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return [b"no head"]


def attempt(environ: Environ, start_response: StartResponse, *arguments: Any) -> None:
    """Record whether this call raises."""
    try:
        start_response(*arguments)
    except Exception:
        record(environ, "raised")
    else:
        record(environ, "accepted")


def returns_a_callable(subject: Subject) -> None:
    body = subject.ask("/called").body
    expect(body != b"not callable", "what start_response returned is not callable")


def takes_exc_info_of_none(subject: Subject) -> None:
    answer = subject.ask("/called?third=1")
    expect(answer.status == 200, f"answered {answer.status}")


def may_come_at_the_first_iteration(subject: Subject) -> None:
    answer = subject.ask("/late")
    expect((answer.status, answer.body) == (202, b"late"), f"answered {answer.status} {answer.body[:60]!r}")


def nothing_is_sent(subject: Subject, empties: int) -> None:
    with gate() as opened, subject.connect() as connection:
        connection.request(f"/held_back?empties={empties}&gate={opened.port}")
        visitor = arrives(opened, "no body yet")
        expect(visitor, "the application does not come as far as this")
        early = select.select([connection.sock], [], [], QUIET)[0]
        if visitor:
            visitor.let_through()
        answer = connection.answer()
    expect(not early, "the headers are sent before there is a body")
    expect(answer.body == b"body", f"then answered {answer.status} {answer.body[:60]!r}")


def sends_nothing_itself(subject: Subject) -> None:
    nothing_is_sent(subject, 0)


def empty_bytestrings_send_nothing(subject: Subject) -> None:
    nothing_is_sent(subject, 2)


def head_is_sent_when_the_iterable_is_exhausted(subject: Subject) -> None:
    for shape in ("list", "generator", "one", "two"):
        with subject.connect() as connection:
            answer = connection.ask(f"/empty?shape={shape}")
        got = (answer.status, answer.get("x-empty"), answer.body, answer.complete)
        expect(got == (201, "1", b"", True), f"{shape}: {got}")


def second_call_is_an_error(subject: Subject) -> None:
    key = subject.key()
    subject.ask(f"/twice?key={key}")
    expect(subject.many.recorded(key, until="raised") == ["raised"], "the second call was accepted")


def second_call_after_a_failed_one(subject: Subject) -> None:
    key = subject.key()
    with subject.connect() as connection:
        connection.request(f"/after_a_bad_first?key={key}")
        connection.whole_or_part()
    got = subject.many.recorded(key)
    expect(got[:1] == ["raised"], "the first call, with a CR LF in a value, was accepted")
    expect(got[:2] == ["raised", "raised"], "the second call without exc_info was accepted")
    expect(got[2:] == ["accepted"], "the call with exc_info was refused")


def exc_info_replaces(subject: Subject, empties: int) -> None:
    answer = subject.ask(f"/replaced?empties={empties}")
    got = (answer.status, answer.get("x-first"), answer.get("x-second"), answer.body)
    expect(got == (503, None, "2", b"replaced"), f"status, old header, new header, body are {got}")
    expect(answer.complete, "the body is not complete")


def exc_info_replaces_the_head(subject: Subject) -> None:
    exc_info_replaces(subject, 0)


def exc_info_replaces_after_empty_bytestrings(subject: Subject) -> None:
    exc_info_replaces(subject, 3)


def exc_info_raises_again(subject: Subject, how: str) -> None:
    key = subject.key()
    with subject.connect() as connection:
        connection.request(f"/too_late?how={how}&key={key}")
        answer = connection.whole_or_part()
    got = subject.many.recorded(key)
    expect(got == ["the same"], f"start_response: {', '.join(got) or 'not reached'}")
    expect(answer is None or not answer.complete, "the response looks complete")


def exc_info_raises_again_after_a_bytestring(subject: Subject) -> None:
    exc_info_raises_again(subject, "yield")


def exc_info_raises_again_after_write(subject: Subject) -> None:
    exc_info_raises_again(subject, "write")


def exc_info_is_forgotten(subject: Subject) -> None:
    key = subject.key()
    subject.ask(f"/forgotten?key={key}")
    got = subject.many.recorded(key)
    expect(got == ["dead"], f"the exception is {', '.join(got) or 'not reached'} after start_response")


def must_be_called(subject: Subject) -> None:
    answer = subject.ask("/never")
    expect(answer.status >= 500, f"answered {answer.status} {answer.body[:60]!r}")
    expect(subject.ask("/plain").status == 200, "the next request fails")
