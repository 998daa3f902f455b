"""Fixtures: the images, built once, and containers that end with their test.

`scripts/test-container` gives a daemon and a base image; without them every test here is an error, never a skip.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import containers
import images
from ask import Run
from containers import Container, docker

HERE = Path(__file__).parent
REQUIRED = (images.SITE, images.ROOT / "examples/flask_hello", HERE / "lab_image")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for all images, which takes a minute or two of a machine that has nothing else to do."""
    for item in items:
        item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session", autouse=True)
def _swept() -> Iterator[None]:
    yield
    containers.sweep()


@pytest.fixture(scope="session")
def base() -> str:
    """A Python image, and the packages of the tests for its pip."""
    return images.offline(*(part for place in REQUIRED for part in ("-r", str(place / "requirements.txt"))))


@pytest.fixture(scope="session")
def monopod(base: str) -> str:
    return images.monopod(base)


@pytest.fixture(scope="session")
def site(monopod: str) -> str:
    """The Django example, by its own Dockerfile."""
    return images.site(monopod)


@pytest.fixture(scope="session")
def lab(site: str) -> str:
    """The Django example with lab_image/ in it."""
    return images.build("monopod-test/lab", HERE / "lab_image", site=site)


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts containers that end with the test."""
    with ExitStack() as stack:

        def start(image: str, *command: str, options: tuple[str, ...] = ()) -> Container:
            return stack.enter_context(Container(image, *command, options=options))

        yield start


@pytest.fixture
def volume() -> Iterator[str]:
    """A named volume, empty; what is mounted at /data takes the image's owner of it."""
    name = docker("volume", "create", "--label", containers.LABEL)
    yield name
    docker("volume", "rm", "--force", name, check=False)
