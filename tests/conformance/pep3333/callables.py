"""Kinds of application object, and how the server calls them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

from pep3333.pages import TEXT, Environ, StartResponse, page, record, text
from pep3333.subject import Subject
from pep3333.verdict import expect


def function(first: Environ, second: StartResponse, /) -> Iterable[bytes]:
    """Arguments of other names that cannot be given by keyword."""
    return text(second, b"called")


class Application:
    """The class is the application, its instance the iterable (the PEP's AppClass)."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self._start = start_response

    def __iter__(self) -> Iterator[bytes]:
        self._start("200 OK", list(TEXT))
        yield b"called"


class Callable:
    """No name, no attributes, no signature to look at."""

    __slots__ = ()

    def __call__(self, *arguments: object, **named: object) -> Iterable[bytes]:
        start_response: StartResponse = arguments[1]  # type: ignore[assignment]
        return text(start_response, b"called" if len(arguments) == 2 and not named else b"called in another way")

    def method(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return text(start_response, b"called")


instance = Callable()
method = Callable().method
partial = functools.partial(lambda _, environ, start_response: text(start_response, b"called"), None)


@page
def counted(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    record(environ, "called")
    return text(start_response, b"counted")


def answers(subject: Subject, name: str) -> None:
    running = subject.running(f"pep3333.callables:{name}", 1)
    for _ in range(2):
        answer = running.ask("/")
        expect(answer.body == b"called", f"answered {answer.status} {answer.body[:60]!r}")


def a_function_by_position(subject: Subject) -> None:
    answers(subject, "function")


def a_class(subject: Subject) -> None:
    answers(subject, "Application")


def an_instance(subject: Subject) -> None:
    answers(subject, "instance")


def a_bound_method(subject: Subject) -> None:
    answers(subject, "method")


def a_partial(subject: Subject) -> None:
    answers(subject, "partial")


def once_for_each_request(subject: Subject) -> None:
    for method_name, body in (("GET", None), ("HEAD", None), ("POST", b"x=1")):
        key = subject.key()
        subject.ask(f"/counted?key={key}", method_name, body=body)
        calls = len(subject.many.recorded(key))
        expect(calls == 1, f"{method_name}: called {calls} times")
