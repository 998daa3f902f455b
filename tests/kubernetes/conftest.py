"""Fixtures: what the kustomizations make, and the command that they run. No cluster and no network is needed.

Modules of tests/wsgi are imported as they are there (`pythonpath` in pyproject.toml), and the faces are theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from server import Face, Starter, the_face

FACES = [name.strip() for name in os.environ.get("MONOPOD_FACES", "binary,wheel").split(",") if name.strip()]


@pytest.fixture(scope="session", params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return the_face(request.param)


@pytest.fixture
def start(face: Face) -> Iterator[Starter]:
    with ExitStack() as stack:
        yield Starter(face, stack)
