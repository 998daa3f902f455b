"""Promise: a large application works in a browser: Wagtail's own project, with pictures, preview and search.

In production its static files come compressed and for ever, and what is uploaded by `--media`; while it is worked on, static
files as they are, and what is uploaded from Django. Screenshots go to target/browser.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from browser import Browser
from modes import modes
from server import Server, the_face
from tab import Fetch, Tab
from wagtail_site import WagtailSite

SCREENSHOTS = Path(__file__).parents[2] / "target/browser"
FOREVER = "public, max-age=31536000, immutable"
# What the template of `wagtail start` does without.
MISSING = {"/favicon.ico"}
# Wagtail's checker of accessibility about that template, and the browser about that icon.
KNOWN_COMPLAINTS = (
    "error: axe.run results",
    "error: Failed to load resource: the server responded with a status of 404",
)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> WagtailSite:
    return WagtailSite.started(tmp_path_factory.mktemp("wagtail"))


@pytest.fixture(params=modes())
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def site(mode: str, started: WagtailSite, tmp_path: Path) -> WagtailSite:
    if mode == "dev":
        return started.for_development(tmp_path)
    return started.for_production(tmp_path, the_face("binary"))


@pytest.fixture
def server(mode: str, site: WagtailSite) -> Iterator[Server]:
    options = [] if mode == "dev" else ["--media", "/media=media"]
    options += ["--threads", "4"]
    with Server(the_face("binary"), None, *options, subcommand=mode, cwd=site.project, env=site.env) as server:
        yield server


@pytest.fixture
def tab(browser: Browser, server: Server, tmp_path: Path) -> Iterator[Tab]:
    with browser.open(tmp_path / "profile") as context:
        yield Tab(context, f"http://127.0.0.1:{server.port}")


# The site is made ready within this time as well.
@pytest.mark.timeout(600)
def test_the_life_of_a_page(tab: Tab, site: WagtailSite, mode: str, tmp_path: Path) -> None:
    def shoot(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"wagtail-{mode}-{name}.png", full_page=True)

    page = tab.page
    tab.visit("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    tab.submit("Sign in")
    assert "Dashboard" in page.title()
    shoot("dashboard")

    tab.visit("/admin/images/add/")
    page.get_by_label("Title").fill("The oven")
    page.get_by_label("File").set_input_files(picture(tmp_path))
    tab.submit("Upload")
    expect(page.get_by_role("status")).to_contain_text("The oven")
    assert_picture(tab, "max-165x165.png", "image/png")
    shoot("images")

    tab.visit("/admin/pages/add/home/homepage/3/")
    page.get_by_placeholder("Page title").fill("Bread of today")
    page.locator("#panel-child-content-body-section [contenteditable=true]").click()
    page.keyboard.type("Rye and wheat, baked at five.")
    page.get_by_role("button", name="Choose an image").click()
    page.get_by_role("dialog").get_by_role("link", name="The oven").click()
    expect(page.get_by_role("dialog").filter(has_text="Choose an image")).to_have_count(0)

    page.get_by_role("button", name="Toggle preview").click()
    preview = page.frame_locator("#w-preview-iframe, iframe[data-w-preview-target]").first
    expect(preview.get_by_role("heading", name="Bread of today")).to_be_visible()
    expect(preview.get_by_role("img", name="The oven")).to_be_visible()
    assert preview.get_by_role("img", name="The oven").evaluate(
        "image => image.decode().then(() => image.naturalWidth)"
    )
    assert_picture(tab, "width-600.format-webp.webp", "image/webp")
    shoot("preview")

    page.get_by_role("button", name="More actions").click()
    tab.submit("Publish")
    expect(page.get_by_role("status")).to_contain_text("created and published")
    shoot("published")
    tab.visit("/bread-of-today/")
    expect(page.get_by_role("heading", name="Bread of today")).to_be_visible()
    assert page.get_by_role("img", name="The oven").evaluate("image => image.naturalWidth") == 600
    shoot("page")

    tab.visit("/search/?query=wheat")
    page.get_by_role("link", name="Bread of today").click()
    assert page.url.endswith("/bread-of-today/")
    tab.visit("/search/?query=spelt")
    expect(page.get_by_role("link", name="Bread of today")).to_have_count(0)
    shoot("search")

    tab.visit("/admin/pages/3/")
    page.get_by_role("link", name="Bread of today", exact=True).first.click()
    page.get_by_role("button", name="Actions", exact=True).first.click()
    page.get_by_role("link", name="Delete").first.click()
    tab.submit("Yes, delete it")
    expect(page.get_by_role("status")).to_contain_text("deleted")
    tab.visit("/admin/images/")
    page.get_by_role("link", name="The oven").click()
    expect(page.get_by_role("heading", name="The oven", exact=True)).to_be_visible()
    page.get_by_role("button", name="Actions", exact=True).first.click()
    page.get_by_role("link", name="Delete").first.click()
    tab.submit("Yes, delete")
    assert not list(site.media.glob("original_images/*"))
    shoot("deleted")

    assert [text for text in tab.complaints if not text.startswith(KNOWN_COMPLAINTS)] == []
    assert {fetch.path for fetch in tab.fetches if fetch.status >= 400} <= MISSING
    assert_static(tab.fetches, site, mode)


def picture(directory: Path) -> Path:
    """Some megabytes, as noise cannot be compressed: more than a body keeps in memory."""
    path = directory / "oven.png"
    Image.frombytes("RGB", (1200, 1000), os.urandom(1200 * 1000 * 3)).save(path)
    assert path.stat().st_size > 3_000_000
    return path


def assert_picture(tab: Tab, rendition: str, media_type: str) -> None:
    """The last answer for it that brought it."""
    sent = [fetch for fetch in tab.fetches if fetch.path == f"/media/images/oven.{rendition}" and fetch.status == 200]
    assert sent, [fetch.path for fetch in tab.fetches]
    assert sent[-1].headers["content-type"] == media_type


def assert_static(fetches: list[Fetch], site: WagtailSite, mode: str) -> None:
    static = [fetch for fetch in fetches if fetch.path.startswith("/static/") and not fetch.cached and not fetch.left]
    assert len(static) > 15
    compressed = 0
    for fetch in static:
        assert fetch.status in (200, 304), fetch
        assert fetch.headers["cache-control"] == ("no-cache" if mode == "dev" else FOREVER), fetch
        if mode == "serve":
            file = site.project / fetch.path[1:]
            # An empty file has none, for one.
            has_sibling = any(file.with_name(file.name + suffix).exists() for suffix in (".br", ".zst"))
            assert fetch.headers.get("content-encoding") in (("br", "zstd") if has_sibling else (None,)), fetch
            compressed += has_sibling
    assert compressed > 10 or mode == "dev"
