"""A small HTTP server that stands in for what agents export to; a test waits for what it wants to have received.

It answers at once, or while `hold` lasts not before the end of that.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

from wire import TIMEOUT

T = TypeVar("T")


@dataclass(frozen=True)
class Post:
    """What somebody sent, with the body as it was before its content coding."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Listens on a free port; a context manager."""

    def __init__(self, answers: dict[str, bytes] | None = None) -> None:
        """`answers` are those to GET by path, JSON; everything else is told that all is well."""
        self._posts: list[Post] = []
        self._news = threading.Condition()
        self._may_answer = threading.Event()
        self._may_answer.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer((answers or {}).get(self.path, b"{}"))

            def do_POST(self) -> None:
                body = self._body()
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver._take(Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                receiver._may_answer.wait(TIMEOUT)
                self._answer(b"{}")

            do_PUT = do_POST

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Nothing."""

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A process that ends resets the connections it kept."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Take what comes, and answer none of it before the end."""
        self._may_answer.clear()
        try:
            yield
        finally:
            self._may_answer.set()

    def _take(self, post: Post) -> None:
        with self._news:
            self._posts.append(post)
            self._news.notify_all()

    def posts(self) -> list[Post]:
        with self._news:
            return list(self._posts)

    def wait(self, look: Callable[[list[Post]], T | None], what: str, timeout: float = TIMEOUT) -> T:
        """What `look` finds in everything received, as soon as that is something."""
        with self._news:
            found = self._news.wait_for(lambda: look(self._posts), timeout)
            paths = [post.path for post in self._posts]
        assert found, f"not received within {timeout} s: {what}; only {paths}"
        return found
