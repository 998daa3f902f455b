"""Each bytestring is on its way before the next is asked for, by the iterable and by write()."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pep3333.pages import TEXT, Environ, StartResponse, argument, knock, page, record
from pep3333.subject import Subject, arrives, gate
from pep3333.verdict import expect

LARGE = 8 << 20
WORDS = ("one", "two", "three")


@page
def streamed(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Three words, at the gate after each; Content-Length with `?sized=1`."""

    def body() -> Iterator[bytes]:
        for word in WORDS:
            yield word.encode()
            knock(environ, word)

    start_response("200 OK", [*TEXT, *([("Content-Length", "11")] if argument(environ, "sized") else [])])
    return body()


@page
def streamed_large(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """One bytestring larger than all buffers of sockets, then the gate."""

    def body() -> Iterator[bytes]:
        yield b"x" * LARGE
        knock(environ, "large")
        yield b"y"

    start_response("200 OK", [*TEXT, ("Content-Length", str(LARGE + 1))])
    return body()


@page
def written(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """write() of each word and the gate after it; then what `?then=` says."""
    write = start_response("200 OK", list(TEXT))
    for word in WORDS:
        write(word.encode())
        knock(environ, word)
    then: dict[str, Iterable[bytes]] = {"": [], "list": [b" four", b" five"], "generator": iter((b" four", b" five"))}
    return then[argument(environ, "then")]


@page
def written_wrongly(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """write() of a str."""
    write = start_response("200 OK", list(TEXT))
    try:
        write("text")
    except Exception:
        record(environ, "raised")
        raise
    record(environ, "accepted")
    return []


@page
def written_empty(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", list(TEXT))
    for part in (b"", b"a", b"", b"b"):
        write(part)
    return [b"", b"c", b""]


def comes_word_by_word(subject: Subject, target: str) -> None:
    """While the application is held at the gate the word is already here."""
    with gate() as opened, subject.connect() as connection:
        connection.request(f"{target}gate={opened.port}")
        chunked, came = False, b""
        for at, word in enumerate(WORDS):
            visitor = arrives(opened, word)
            expect(visitor, "the application does not come as far as this")
            try:
                if at == 0:
                    chunked = connection.head().get("transfer-encoding") == "chunked"
                came = connection.chunk() if chunked else connection.exactly(len(word))
            except TimeoutError:
                came = b""
            finally:
                if visitor:
                    visitor.let_through()
            expect(came == word.encode(), f"{word!r} is not transmitted before the next bytestring is asked for")


def bytestrings_of_an_iterable(subject: Subject) -> None:
    comes_word_by_word(subject, "/streamed?")


def bytestrings_under_a_content_length(subject: Subject) -> None:
    comes_word_by_word(subject, "/streamed?sized=1&")


def bytestrings_on_a_single_thread(subject: Subject) -> None:
    with gate() as opened, subject.one.connect() as connection:
        connection.request(f"/streamed?sized=1&gate={opened.port}")
        visitor = arrives(opened, "one")
        expect(visitor, "the application does not come as far as this")
        try:
            connection.head()
            came = connection.exactly(3)
        except TimeoutError:
            came = b""
    expect(came == b"one", "the first word is not transmitted while the only thread is busy")


def a_large_bytestring(subject: Subject) -> None:
    with gate() as opened, subject.connect() as connection:
        connection.request(f"/streamed_large?gate={opened.port}")
        connection.head()
        came = connection.exactly(LARGE)
        visitor = arrives(opened, "large")
        expect(visitor, "the application is not asked for more")
        if visitor:
            visitor.let_through()
        expect(came.count(b"x") == LARGE and connection.exactly(1) == b"y", "the body differs")


def write_transmits(subject: Subject) -> None:
    comes_word_by_word(subject, "/written?")


def write_comes_before_the_iterable(subject: Subject) -> None:
    for then, body in (("", b"onetwothree"), ("list", b"onetwothree four five")):
        answer = subject.ask(f"/written?then={then}")
        expect((answer.body, answer.complete) == (body, True), f"got {answer.body!r}, complete: {answer.complete}")
    answer = subject.ask("/written?then=generator")
    expect(answer.body == b"onetwothree four five", f"a generator after write(): {answer.body!r}")


def write_of_nothing(subject: Subject) -> None:
    with subject.connect() as connection:
        answer = connection.ask("/written_empty")
    expect((answer.body, answer.complete) == (b"abc", True), f"got {answer.body!r}, complete: {answer.complete}")


def write_of_a_str_is_an_error(subject: Subject) -> None:
    key = subject.key()
    with subject.connect() as connection:
        connection.request(f"/written_wrongly?key={key}")
        answer = connection.whole_or_part()
    expect(subject.many.recorded(key, until="raised") == ["raised"], "write() accepted a str")
    expect(answer is None or b"text" not in answer.body or answer.status >= 500, "the str was sent")
