"""Fixtures: both faces of the command, and projects to run by it.

`MONOPOD_BINARY`, `MONOPOD_WHEEL` and `MONOPOD_FACES` are as in tests/wsgi, whose modules are imported as they are there
(`pythonpath` in pyproject.toml). Beside the Python that runs the tests are the agents and their commands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from receiver import Receiver
from server import Face, Starter, the_face

FACES = [name.strip() for name in os.environ.get("MONOPOD_FACES", "binary,wheel").split(",") if name.strip()]


@pytest.fixture(scope="session", params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return the_face(request.param)


@pytest.fixture
def start(face: Face) -> Iterator[Starter]:
    with ExitStack() as stack:
        yield Starter(face, stack)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
