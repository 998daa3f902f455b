"""Events that an application shares with a test: it knocks with a word, and waits until it is let through.

The test listens; `apps/knock.py` is the other side. So a test knows that the application is at a certain point,
and holds it there, without any sleep and without a second thread in the server.
"""

from __future__ import annotations

import socket

from wire import TIMEOUT


class Visitor:
    """An application that waits at the gate."""

    def __init__(self, sock: socket.socket, word: str) -> None:
        self._sock = sock
        self.word = word

    def let_through(self) -> None:
        self._sock.sendall(b"\n")
        self._sock.close()


class Gate:
    """A listener on a free port."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.settimeout(TIMEOUT)
        self.port: int = self._listener.getsockname()[1]
        self._visitors: list[socket.socket] = []

    def wait(self, word: str) -> Visitor:
        """The next one to come, which must say `word`."""
        sock, _ = self._listener.accept()
        sock.settimeout(TIMEOUT)
        self._visitors.append(sock)
        with sock.makefile("r", encoding="ascii") as lines:
            said = lines.readline().strip()
        assert said == word, f"expected {word!r} at the gate, got {said!r}"
        return Visitor(sock, said)

    def is_quiet(self) -> bool:
        """Whether nobody waits to be heard at this moment."""
        self._listener.settimeout(0)
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return True
        finally:
            self._listener.settimeout(TIMEOUT)
        sock.close()
        return False

    def close(self) -> None:
        """Lets everybody through."""
        self._listener.close()
        for sock in self._visitors:
            sock.close()
