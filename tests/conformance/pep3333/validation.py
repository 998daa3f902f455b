"""`wsgiref.validate` around a set of applications: it finds nothing to complain of in the server."""

from __future__ import annotations

from collections.abc import Iterable

from pep3333.pages import Environ, StartResponse, page, text
from pep3333.subject import Subject
from pep3333.verdict import expect
from pep3333.wrappers import offered

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


@page
def read_by_the_book(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Only what the validator lets through: read() has a size."""
    stream, errors = environ["wsgi.input"], environ["wsgi.errors"]
    got = [stream.read(3), stream.readline(), stream.readline(4), *stream.readlines(1), *stream, stream.read(10)]
    errors.write("by the book\n")
    errors.writelines(["by ", "the book\n"])
    errors.flush()
    return text(start_response, b"".join(got))


def passes(subject: Subject, target: str, method: str = "GET", status: int = 200, body: bytes | None = None) -> None:
    running = subject.many
    before = len(running.log())
    with subject.connect() as connection:
        headers = [("X-Twice", "1"), ("X-Twice", "2"), ("Cookie", "a=b")]
        connection.request(f"/validated{target}", method, headers, body)
        answer = connection.answer(method)
    complaints = [
        line.strip()
        for line in running.log()[before:].splitlines()
        if "AssertionError" in line or "WSGIWarning" in line or "without being closed" in line
    ]
    expect(not complaints, f"{method} {target}: {complaints and complaints[0]}")
    expect((answer.status, answer.complete) == (status, True), f"{method} {target}: answered {answer.status}")


def environ_by_every_method(subject: Subject) -> None:
    for method in METHODS:
        body = b"some body" if method in ("POST", "PUT", "PATCH") else None
        passes(subject, "/seen/%C3%A9/a%20b?x=%FF", method, body=body)


def streams(subject: Subject) -> None:
    lines = b"first\nsecond\nthird\n" * 3
    for method, body in (("GET", None), ("POST", b""), ("POST", lines), ("PUT", lines * 10_000)):
        passes(subject, "/read_by_the_book", method, body=body)


def heads_and_bodies(subject: Subject) -> None:
    for target, status in (
        ("/plain", 200),
        ("/written?then=list", 200),
        ("/shaped?shape=list", 200),
        ("/shaped?shape=generator", 200),
        ("/shaped?shape=iterable", 200),
        ("/empty?shape=list", 201),
        ("/closing?status=204%20No%20Content", 204),
        ("/closing?length=3", 200),
        ("/declared?length=20&chunks=2&by=list", 200),
        ("/nothing", 404),
    ):
        for method in ("GET", "HEAD"):
            passes(subject, target, method, status)


def file_wrapper(subject: Subject) -> None:
    offered(subject)
    for what in ("file", "memory"):
        passes(subject, f"/wrapped?what={what}")


def the_validator_is_there(subject: Subject) -> None:
    """What PEP 3333 forbids is refused, so the tests above can fail."""
    answer = subject.ask("/validated/status_line?line=20%20Short")
    expect(answer.status >= 500, f"a status of two digits passes: answered {answer.status}")
