"""Shapes of the iterable that an application may return, and the bytes in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pep3333.pages import TEXT, Environ, StartResponse, argument, page, record
from pep3333.subject import Subject
from pep3333.verdict import expect

PARTS = (b"a", b"", b"b", b"c")
EVERY_BYTE = bytes(range(256)) + b"\n\r\n\r\n\n\x1a\x00" * 10


class Sequence:
    """Iterable by `__getitem__` alone."""

    def __getitem__(self, at: int) -> bytes:
        return PARTS[at]


class Iterating:
    """Iterable by `__iter__`, which gives another object."""

    def __iter__(self) -> Iterator[bytes]:
        yield from PARTS


class OwnIterator:
    """An iterator that is its own iterable."""

    def __init__(self) -> None:
        self._at = 0

    def __iter__(self) -> OwnIterator:
        return self

    def __next__(self) -> bytes:
        self._at += 1
        if self._at > len(PARTS):
            raise StopIteration
        return PARTS[self._at - 1]


class Watched(Iterating):
    """Notes the attributes that are looked up on it and that it does not have."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getattr__(self, name: str) -> Any:
        record(self._environ, name)
        raise AttributeError(name)


SHAPES: dict[str, Any] = {
    "list": lambda _: list(PARTS),
    "tuple": lambda _: PARTS,
    "generator": lambda _: (part for part in PARTS),
    "getitem": lambda _: Sequence(),
    "iterable": lambda _: Iterating(),
    "iterator": lambda _: OwnIterator(),
    "map": lambda _: map(bytes, PARTS),
    "dict": lambda _: dict.fromkeys(PARTS),
    "watched": Watched,
    "every byte": lambda _: [EVERY_BYTE, EVERY_BYTE],
    "str": lambda _: ["text"],
    "late str": lambda _: iter([b"bytes", "text"]),
    "none": lambda _: None,
    "int": lambda _: 5,
    "ints": lambda _: [1, 2],
    "nones": lambda _: iter([None]),
}


@page
def shaped(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Returns `?shape=`."""
    start_response("200 OK", list(TEXT))
    return SHAPES[argument(environ, "shape")](environ)  # type: ignore[no-any-return]


def yields(subject: Subject, shape: str, wanted: bytes = b"abc") -> None:
    with subject.connect() as connection:
        answer = connection.ask(f"/shaped?shape={shape.replace(' ', '%20')}")
    got = (answer.status, answer.body, answer.complete)
    expect(got == (200, wanted, True), f"status, body, complete are {str(got)[:120]}")


def a_list(subject: Subject) -> None:
    yields(subject, "list")


def a_tuple(subject: Subject) -> None:
    yields(subject, "tuple")


def a_generator(subject: Subject) -> None:
    yields(subject, "generator")


def an_iterable_or_iterator_of_its_own(subject: Subject) -> None:
    for shape in ("iterable", "iterator", "map", "dict"):
        yields(subject, shape)


def by_getitem_alone(subject: Subject) -> None:
    yields(subject, "getitem")


def binary_and_unaltered(subject: Subject) -> None:
    yields(subject, "every byte", EVERY_BYTE * 2)


def no_other_attribute_is_used(subject: Subject) -> None:
    key = subject.key()
    subject.ask(f"/shaped?shape=watched&key={key}")
    allowed = {"close", "__len__", "__iter__", "__next__", "__getitem__", "__length_hint__"}
    used = sorted(set(subject.many.recorded(key)) - allowed)
    expect(not used, f"looked for {', '.join(used)}")


def wrong(subject: Subject, shape: str) -> None:
    """An error the client can tell, nothing of it is sent, and the server goes on."""
    with subject.connect() as connection:
        connection.request(f"/shaped?shape={shape.replace(' ', '%20')}")
        answer = connection.whole_or_part()
    if answer is not None:
        error = answer.status >= 500 or not answer.complete
        expect(error, f"{shape}: answered {answer.status} {answer.body[:60]!r}, complete")
        expect(answer.status >= 500 or b"text" not in answer.body, f"{shape}: the str was sent")
    expect(subject.many.is_well(), f"{shape}: requests after it fail")


def a_str_is_an_error(subject: Subject) -> None:
    wrong(subject, "str")


def a_late_str_is_an_error(subject: Subject) -> None:
    wrong(subject, "late str")


def what_is_no_bytestring_is_an_error(subject: Subject) -> None:
    for shape in ("ints", "nones"):
        wrong(subject, shape)


def what_is_no_iterable_is_an_error(subject: Subject) -> None:
    for shape in ("none", "int"):
        wrong(subject, shape)
