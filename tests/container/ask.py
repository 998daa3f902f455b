"""Requests to a container, by the raw client of tests/wsgi."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from containers import Container
from wire import TIMEOUT, Answer, Connection

MAIN, ADMIN = 8000, 9191
Run = Callable[..., Container]
"""(image, *command, options=…) to a container that ends with the test."""


def connect(to: Container, port: int = MAIN, within: float = TIMEOUT) -> Connection:
    """A connection, tried until somebody listens."""
    deadline = time.monotonic() + within
    while True:
        try:
            return Connection(socket.create_connection((to.address, port), TIMEOUT))
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def ask(to: Container, target: str, port: int = MAIN) -> Answer:
    """One request on a connection of its own."""
    with connect(to, port) as connection:
        return connection.ask(target)


def text(to: Container, target: str, port: int = MAIN) -> str:
    """What is answered, which must be 200."""
    answer = ask(to, target, port)
    assert answer.status == 200, answer
    assert answer.complete
    return answer.body.decode()
