"""wsgi.errors: every method of the table, and that what is written arrives."""

from __future__ import annotations

from collections.abc import Iterable

from pep3333.pages import Environ, StartResponse, argument, knock, page, text
from pep3333.subject import Subject, arrives, gate
from pep3333.verdict import expect

WIDE = "snowman \u2603, smile \U0001f600"


@page
def complaining(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Writes `?word=` by way of `?how=`, then waits at the gate."""
    errors, word, how = environ["wsgi.errors"], argument(environ, "word"), argument(environ, "how")
    if how == "write":
        errors.write(f"{word} one\n{word} two\n")
        errors.flush()
    elif how == "writelines":
        errors.writelines(line for line in (f"{word} one\n", f"{word} ", "two\n"))
        errors.flush()
    elif how == "wide":
        errors.write(f"{word} one {WIDE}\n{word} two\n")
        errors.flush()
    elif how == "surrogate":
        errors.write(f"{word} one \udcff\n{word} two\n")
        errors.flush()
    knock(environ, "complained")
    return text(start_response, b"complained")


def complains(subject: Subject, how: str) -> None:
    word = f"complaint-{how}-{subject.key()}"
    answer = subject.ask(f"/complaining?how={how}&word={word}")
    expect(answer.body == b"complained", f"answered {answer.status} {answer.body[:60]!r}")
    for line in (f"{word} one", f"{word} two"):
        expect(subject.many.logs(line), "the text is not in the log")
    joined = [line for line in subject.many.log().splitlines() if f"{word} one" in line and f"{word} two" in line]
    expect(not joined, "the line ending is lost")


def write(subject: Subject) -> None:
    complains(subject, "write")


def writelines(subject: Subject) -> None:
    complains(subject, "writelines")


def any_unicode(subject: Subject) -> None:
    complains(subject, "wide")


def lone_surrogates(subject: Subject) -> None:
    complains(subject, "surrogate")


def flush(subject: Subject) -> None:
    """What was flushed is in the log while the application still runs."""
    word = f"complaint-flush-{subject.key()}"
    with gate() as opened, subject.connect() as connection:
        connection.request(f"/complaining?how=write&word={word}&gate={opened.port}")
        visitor = arrives(opened, "complained")
        expect(visitor, "the application does not come as far as this")
        there = subject.many.logs(f"{word} two")
        if visitor:
            visitor.let_through()
        connection.answer()
    expect(there, "flush() has not brought the text to the log")
