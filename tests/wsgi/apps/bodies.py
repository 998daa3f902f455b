"""Shapes of response bodies, and a count of their close()."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from knock import argument, knock, tell

PAGES: dict[str, Any] = {}
TEXT = [("Content-Type", "text/plain")]
closes: Counter[str] = Counter()


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


class Closing:
    """An iterable that counts its close() under `?key=`, and tells it at the gate."""

    def __init__(self, environ: dict[str, Any], chunks: Iterable[bytes]) -> None:
        self._environ = environ
        self._chunks = iter(chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        closes[argument(self._environ, "key")] += 1
        tell(self._environ, "closed")


@page
def closed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """How often close() was called under `?key=`."""
    body = str(closes[argument(environ, "key")]).encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


@page
def hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """`?name=`, after the gate if there is one."""
    knock(environ, "hello")
    body = f"hello {argument(environ, 'name', 'world')}\n".encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


@page
def parts(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A list without Content-Length."""
    start_response("200 OK", list(TEXT))
    return [b"one ", b"", b"two ", b"three"]


@page
def closing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return Closing(environ, [b"a", b"b"])


@page
def closing_raises(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The iteration fails before (`?after=0`) or after (`?after=1`) the commit."""

    def chunks() -> Iterator[bytes]:
        for _ in range(int(argument(environ, "after"))):
            yield b"chunk"
        raise ValueError("in the iteration")

    start_response("200 OK", list(TEXT))
    return Closing(environ, chunks())


@page
def closing_endless(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Chunks for as long as somebody takes them, up to 1 GiB; waits at the gate after the first."""

    def chunks() -> Iterator[bytes]:
        yield b"first"
        knock(environ, "first")
        for _ in range(16 * 1024):
            yield bytes(64 * 1024)

    start_response("200 OK", list(TEXT))
    return Closing(environ, chunks())


@page
def bad_close(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """close() itself raises."""

    class Bad(Closing):
        def close(self) -> None:
            raise ValueError("in close()")

    start_response("200 OK", list(TEXT))
    return Bad(environ, [b"whole"])


@page
def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """Three chunks; the application waits at the gate after each."""
    start_response("200 OK", list(TEXT))
    for word in ("one", "two", "three"):
        yield word.encode()
        knock(environ, word)


@page
def stream_sized(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """As `stream`, with Content-Length."""
    start_response("200 OK", [*TEXT, ("Content-Length", "11")])
    for word in ("one", "two", "three"):
        yield word.encode()
        knock(environ, word)


@page
def sized(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Content-Length `?declared=`, then `?sent=` bytes in chunks of `?chunk=`; a list with `?as=list`."""
    declared, sent, size = (int(argument(environ, name)) for name in ("declared", "sent", "chunk"))
    start_response("200 OK", [*TEXT, ("Content-Length", str(declared))])
    chunks = [b"x" * min(size, sent - at) for at in range(0, sent, size)]
    return chunks if argument(environ, "as") == "list" else Closing(environ, chunks)


@page
def big(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """`?mib=` MiB, each made of its own number; tells at the gate when it is closed."""
    count = int(argument(environ, "mib"))
    start_response("200 OK", list(TEXT))
    return Closing(environ, (bytes([n % 251]) * (1 << 16) for n in range(count) for _ in range(16)))
