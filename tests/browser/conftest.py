"""Fixtures: a browser, and the Django example served to it by the native binary.

`CHROMIUM` is the browser's executable, which `scripts/test-browser` finds; `MONOPOD_BINARY` is the server's. Modules of
tests/wsgi are imported as they are there (`pythonpath` in pyproject.toml).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright

from browser import Browser
from django_site import Site
from gate import Gate
from server import Server, the_face


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM")
    assert chromium, "CHROMIUM must name the browser's executable; scripts/test-browser finds it"
    with sync_playwright() as playwright:
        yield Browser(playwright, chromium)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site.prepared(the_face("binary"), tmp_path_factory.mktemp("django"))


@pytest.fixture(scope="session")
def server(site: Site) -> Iterator[Server]:
    with Server(the_face("binary"), None, cwd=site.project, env={**site.env, "DJANGO_DEBUG": "0"}) as server:
        yield server


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()
