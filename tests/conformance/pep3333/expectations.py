"""Expect: 100-continue."""

from __future__ import annotations

from collections.abc import Iterable

from pep3333.pages import Environ, StartResponse, page, text
from pep3333.subject import Subject
from pep3333.verdict import Failed, expect
from wire import Connection

PATIENCE = 2.0


@page
def echoed(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return text(start_response, environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))


def ask_first(connection: Connection, version: str = "1.1") -> None:
    head = [("Expect", "100-continue"), ("Content-Length", "4")]
    connection.request("/echoed", "POST", head, version=version)


def continue_is_sent(subject: Subject) -> None:
    with subject.connect() as connection:
        ask_first(connection)
        connection.sock.settimeout(PATIENCE)
        try:
            interim = connection.head()
        except TimeoutError:
            raise Failed("no 100 Continue; the client has to give up waiting (the PEP's third way)") from None
        expect(interim.status == 100, f"answered {interim.status} {interim.reason}")
        connection.send(b"body")
        answer = connection.answer()
        expect((answer.status, answer.body) == (200, b"body"), f"then answered {answer.status} {answer.body!r}")


def a_body_that_comes_anyway(subject: Subject) -> None:
    with subject.connect() as connection:
        ask_first(connection)
        connection.send(b"body")
        answer = connection.answer()
        if answer.status == 100:
            answer = connection.answer()
        expect((answer.status, answer.body) == (200, b"body"), f"answered {answer.status} {answer.body!r}")
        expect(connection.ask("/plain").body == b"plain", "the connection is spoiled")


def not_for_http10(subject: Subject) -> None:
    """RFC 9110 10.1.1: an HTTP/1.0 request's expectation MUST be ignored."""
    with subject.connect() as connection:
        ask_first(connection, "1.0")
        connection.send(b"body")
        answer = connection.answer()
        expect(answer.status != 100, "100 Continue for an HTTP/1.0 client")
        expect((answer.status, answer.body) == (200, b"body"), f"answered {answer.status} {answer.body!r}")
