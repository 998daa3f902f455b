"""wsgi.file_wrapper, where a server has one."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from pep3333.pages import PAGES, TEXT, Environ, StartResponse, argument, as_json, page, record, text
from pep3333.subject import Subject
from pep3333.verdict import NotOffered, expect

CONTENT = b"".join(b"line %06d\n" % number for number in range(30_000))


class Noted(io.FileIO):
    """A real file that notes its close()."""

    environ: Environ

    def close(self) -> None:
        if not self.closed:
            record(self.environ, "close")
        super().close()


class OnlyRead:
    """read() with an optional size, and nothing else; notes whether sizes were given."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ
        self._stream = io.BytesIO(CONTENT)

    def read(self, *size: int) -> bytes:
        if not size:
            record(self._environ, "read without size")
        return self._stream.read(*size)


class ReadAndClose(OnlyRead):
    def close(self) -> None:
        record(self._environ, "close")


def real_file(environ: Environ, content: bytes = CONTENT) -> Noted:
    """An unlinked temporary file with the content."""
    number, path = tempfile.mkstemp(prefix="conformance-")
    with os.fdopen(number, "wb") as out:
        out.write(content)
    file = Noted(path)
    os.unlink(path)
    file.environ = environ
    return file


@page
def wrapper_shape(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """What a wrapper is like, without ever returning one."""
    wrapper = environ["wsgi.file_wrapper"]
    stream = ReadAndClose(environ)
    with_size, alone = wrapper(stream, 8192), wrapper(io.BytesIO(CONTENT))
    closable = callable(getattr(with_size, "close", None))
    blocks = list(with_size)
    if closable:
        with_size.close()
    seen = {
        "callable": callable(wrapper),
        "iterable": b"".join(alone) == CONTENT and b"".join(blocks) == CONTENT,
        "bytes": all(type(block) is bytes for block in blocks),
        "close": closable,
    }
    return as_json(start_response, seen)


@page
def wrapped(environ: Environ, start_response: StartResponse) -> Any:
    """A wrapper around `?what=`, from `?offset=` on, with Content-Length `?length=`."""
    what, length = argument(environ, "what"), argument(environ, "length")
    start_response("200 OK", [*TEXT, *([("Content-Length", length)] if length else [])])
    makers: dict[str, Any] = {
        "file": lambda: real_file(environ),
        "empty": lambda: real_file(environ, b""),
        "memory": lambda: io.BytesIO(CONTENT),
        "buffered": lambda: io.BufferedReader(real_file(environ)),
        "only read": lambda: OnlyRead(environ),
        "read and close": lambda: ReadAndClose(environ),
    }
    stream = makers[what]()
    if how := argument(environ, "before"):
        skipped = int(argument(environ, "offset"))
        stream.seek(skipped) if how == "seek" else stream.read(skipped)
    iterable = environ["wsgi.file_wrapper"](stream, 4096)
    if argument(environ, "after"):
        stream.seek(int(argument(environ, "offset")))
    return iterable


@page
def wrapped_for_nothing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A wrapper that is not returned."""
    with real_file(environ) as file:
        environ["wsgi.file_wrapper"](file, 4096)
        return text(start_response, b"something else")


@page
def wrapped_under_middleware(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    inner = PAGES["wrapped"](environ, start_response)

    def upper() -> Iterator[bytes]:
        try:
            for block in inner:
                yield block.upper()
        finally:
            inner.close()

    return upper()


def offered(subject: Subject) -> None:
    if "wsgi.file_wrapper" not in subject.ask_json("/seen")["types"]:
        raise NotOffered("no wsgi.file_wrapper")


def sends(subject: Subject, query: str, wanted: bytes, page: str = "wrapped") -> Any:
    """The answer must be right; then what was noted, close() included where the object has one."""
    offered(subject)
    key = subject.key()
    with subject.connect() as connection:
        answer = connection.ask(f"/{page}?{query}&key={key}")
        expect(answer.status == 200, f"{query}: answered {answer.status}")
        right = answer.body == wanted and answer.complete
        expect(right, f"{query}: {len(answer.body)} of {len(wanted)} bytes, or others; complete: {answer.complete}")
        if answer.get("connection") != "close":
            try:
                unspoiled = connection.ask("/plain").body == b"plain"
            except ValueError:
                unspoiled = False
            expect(unspoiled, f"{query}: there is more on the wire than the response")
    return key


def is_a_callable_with_an_optional_size(subject: Subject) -> None:
    offered(subject)
    expect(subject.ask_json("/wrapper_shape")["callable"], "not callable")


def gives_an_iterable(subject: Subject) -> None:
    offered(subject)
    got = subject.ask_json("/wrapper_shape")
    expect(got["iterable"] and got["bytes"], "iterating over it does not give the content as bytes")


def gives_close(subject: Subject) -> None:
    offered(subject)
    key = subject.key()
    expect(subject.ask_json(f"/wrapper_shape?key={key}")["close"], "the iterable has no close()")
    got = subject.many.recorded(key, until="close").count("close")
    expect(got == 1, f"its close() called that of the object {got} times")


def sends_nothing_unless_returned(subject: Subject) -> None:
    offered(subject)
    answer = subject.ask("/wrapped_for_nothing")
    expect(answer.body == b"something else", f"answered {answer.body[:60]!r}")


def sends_a_real_file(subject: Subject) -> None:
    sends(subject, "what=file", CONTENT)
    sends(subject, "what=buffered", CONTENT)


def sends_an_empty_file(subject: Subject) -> None:
    sends(subject, "what=empty", b"")


def sends_what_is_no_file(subject: Subject) -> None:
    for what in ("memory", "only%20read", "read%20and%20close"):
        sends(subject, f"what={what}", CONTENT)


def reads_by_size(subject: Subject) -> None:
    key = sends(subject, "what=only%20read", CONTENT)
    expect("read without size" not in subject.many.recorded(key), "read() is called without a size")


def starts_at_the_position(subject: Subject) -> None:
    for before in ("seek", "read"):
        for what in ("file", "memory", "buffered"):
            sends(subject, f"what={what}&offset=1000&before={before}", CONTENT[1000:])


def starts_at_the_position_of_transmission(subject: Subject) -> None:
    for what in ("file", "memory"):
        sends(subject, f"what={what}&offset=1000&after=1", CONTENT[1000:])


def ends_at_content_length(subject: Subject) -> None:
    for what in ("file", "memory"):
        sends(subject, f"what={what}&length=5000", CONTENT[:5000])


def works_under_middleware(subject: Subject) -> None:
    for what in ("file", "memory"):
        sends(subject, f"what={what}", CONTENT.upper(), "wrapped_under_middleware")


def close_is_called(subject: Subject) -> None:
    for what in ("file", "read%20and%20close"):
        key = sends(subject, f"what={what}", CONTENT)
        subject.many.recorded(key, "close")
        expect(subject.many.is_well(), "requests after it fail")
        got = subject.many.recorded(key, until="close").count("close")
        expect(got == 1, f"{what}: close() called {got} times")


def close_is_called_after_head(subject: Subject) -> None:
    offered(subject)
    for what in ("file", "read%20and%20close"):
        key = subject.key()
        with subject.connect() as connection:
            connection.request(f"/wrapped?what={what}&key={key}", "HEAD")
            connection.answer("HEAD")
        got = subject.many.recorded(key, "close").count("close")
        expect(got == 1, f"{what}: close() called {got} times")
