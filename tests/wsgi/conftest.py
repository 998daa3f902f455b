"""Fixtures: each test runs over both faces of the command, the native binary and the wheel.

`MONOPOD_BINARY` and `MONOPOD_WHEEL` say where they are; `MONOPOD_FACES` (comma-separated) narrows the run.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gate import Gate
from server import Face, Server, Starter, the_face

# Where these tests run in the background of a shell SIGINT is ignored, and whoever is started here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

FACES = [name.strip() for name in os.environ.get("MONOPOD_FACES", "binary,wheel").split(",") if name.strip()]


@pytest.fixture(scope="session", params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return the_face(request.param)


@pytest.fixture
def start(face: Face) -> Iterator[Starter]:
    with ExitStack() as stack:
        yield Starter(face, stack)


@pytest.fixture(scope="module")
def start_once(face: Face) -> Iterator[Starter]:
    """As `start`, for a module's own server."""
    with ExitStack() as stack:
        yield Starter(face, stack)


@pytest.fixture(scope="session")
def lab(face: Face) -> Iterator[Server]:
    """All well-behaved and ill-behaved applications of apps/lab.py, four threads."""
    with Server(face, "lab:application", "--threads", "4") as server:
        yield server


@pytest.fixture(scope="session")
def single(face: Face) -> Iterator[Server]:
    """The same on one thread: a request begins after the one before has ended, close() included."""
    with Server(face, "lab:application", "--threads", "1") as server:
        yield server


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture
def port() -> int:
    """One that is free for the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        number: int = sock.getsockname()[1]
    return number
