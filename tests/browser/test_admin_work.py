"""Promise: what people do in Django's admin works in a browser, in production and while the site is worked on.

Log in, add, upload, look, delete. Screenshots go to target/browser.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser import Browser
from django_site import Site
from modes import modes
from server import Server, the_face
from tab import Tab

SCREENSHOTS = Path(__file__).parents[2] / "target/browser"
# Much more than a body keeps in memory.
FILE = random.Random(8).randbytes(3_000_000)


@pytest.fixture(params=modes())
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(mode: str, tmp_path: Path) -> Iterator[Server]:
    face = the_face("binary")
    site = Site.prepared(face, tmp_path, compressed=False)
    env = {**site.env, "DJANGO_DEBUG": "1" if mode == "dev" else "0"}
    with Server(face, None, subcommand=mode, cwd=site.project, env=env) as server:
        yield server


@pytest.fixture
def tab(browser: Browser, server: Server, tmp_path: Path) -> Iterator[Tab]:
    with browser.open(tmp_path / "profile") as context:
        yield Tab(context, f"http://127.0.0.1:{server.port}")


@pytest.mark.timeout(240)
def test_add_upload_delete(tab: Tab, mode: str, tmp_path: Path) -> None:
    def shoot(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"admin-{mode}-{name}.png", full_page=True)

    page = tab.page
    attachment = tmp_path / "Plan für morgen.bin"
    attachment.write_bytes(FILE)
    tab.visit("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    tab.submit("Log in")

    tab.visit("/admin/notes/note/add/")
    page.get_by_label("Title").fill("Eggs & <b>flour</b>")
    page.get_by_label("Body").fill("Six of the one.\nTwo of the other.")
    page.get_by_label("Attachment").set_input_files(attachment)
    tab.submit("Save and continue editing")
    expect(page.locator(".messagelist .success")).to_contain_text("was added successfully")
    expect(page.get_by_label("Title")).to_have_value("Eggs & <b>flour</b>")
    shoot("changed")

    page.locator(".file-upload a").evaluate("link => link.setAttribute('download', '')")
    with page.expect_download() as download:
        page.locator(".file-upload a").click()
    assert Path(download.value.path()).read_bytes() == FILE

    tab.visit("/admin/notes/note/?q=flour")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    expect(page.locator(".field-has_attachment img")).to_have_attribute("alt", "True")
    shoot("list")

    page.get_by_role("link", name="Eggs & <b>flour</b>").click()
    page.get_by_role("link", name="Delete").click()
    tab.submit("Yes, I’m sure")
    expect(page.locator(".messagelist .success")).to_contain_text("was deleted successfully")
    shoot("deleted")
    tab.visit("/admin/notes/note/?q=flour")
    expect(page.locator("#result_list tbody tr")).to_have_count(0)

    assert tab.complaints == []
    # The icon of a page and what a click leads away from are not waited for.
    assert [fetch for fetch in tab.fetches if fetch.status >= 400] == []
    static = [fetch for fetch in tab.fetches if fetch.path.startswith("/static/") and not fetch.cached]
    assert len(static) > 15
    kept = {fetch.headers["cache-control"] for fetch in static}
    assert kept == ({"no-cache"} if mode == "dev" else {"public, max-age=31536000, immutable"})
