"""Applications that raise: the client can tell, the log has it, the server goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pep3333.pages import TEXT, Environ, StartResponse, argument, page
from pep3333.subject import THREADS, Subject
from pep3333.verdict import expect


class Unusual(BaseException):
    """What `except Exception` does not catch."""


KINDS: dict[str, type[BaseException]] = {
    "ValueError": ValueError,
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "Unusual": Unusual,
}


@page
def failing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Raises `?kind=` with `?word=`, in the call or after `?chunks=` bytestrings."""
    error = KINDS[argument(environ, "kind")](argument(environ, "word"))
    if argument(environ, "chunks") == "":
        raise error

    def chunks() -> Iterator[bytes]:
        for _ in range(int(argument(environ, "chunks"))):
            yield b"chunk"
        raise error

    start_response("200 OK", list(TEXT))
    return chunks()


def fails(subject: Subject, kind: str, chunks: str, *, logged: bool = True) -> None:
    """More often than there are threads, so that a thread lost each time would show."""
    word = f"the-word-{subject.key()}"
    for _ in range(THREADS + 1):
        with subject.connect() as connection:
            connection.request(f"/failing?kind={kind}&chunks={chunks}&word={word}")
            answer = connection.whole_or_part()
        if answer is not None:
            told = answer.status >= 500 or not answer.complete
            expect(told, f"answered {answer.status} {answer.body[:60]!r}, complete")
        if chunks != "1":
            expect(answer is not None, "the connection is closed without an answer")
            expect(answer and answer.status >= 500, f"answered {answer and answer.status}")
    expect(subject.many.is_well(), "requests after it fail")
    expect(not logged or subject.many.logs(word), "the error is not in the log")


def in_the_call(subject: Subject) -> None:
    fails(subject, "ValueError", "")


def before_the_first_bytestring(subject: Subject) -> None:
    fails(subject, "ValueError", "0")


def in_the_middle(subject: Subject) -> None:
    fails(subject, "ValueError", "1")


def system_exit(subject: Subject) -> None:
    fails(subject, "SystemExit", "")


def system_exit_in_the_middle(subject: Subject) -> None:
    fails(subject, "SystemExit", "1")


def other_base_exceptions(subject: Subject) -> None:
    for kind in ("KeyboardInterrupt", "GeneratorExit", "Unusual"):
        fails(subject, kind, "")
