"""Promise: the page of `monopod dev` about a failing import can be read everywhere, and goes by itself when it is mended.

Screenshots go to target/browser.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from browser import Browser
from project import FLASK, Project, start_django
from server import Server, the_face
from tab import Tab

SCREENSHOTS = Path(__file__).parents[2] / "target/browser"
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}

CONFIG = '''\
"""What the shop needs to know of its surroundings."""

import os

SECRET_KEY = "not-for-the-projector"


def number(name: str, default: str) -> int:
    """A whole number from the environment, or else the default, which is always one that a port can be."""
    text = os.environ.get(name, default)
    try:
        return int(text)
    except ValueError as error:
        raise RuntimeError(f"{name} wants a whole number, not <{text}>") from error


PORT = number("SHOP_PORT", "eighty")
'''


def shoot(tab: Tab, name: str) -> None:
    """In light and dark, on a desk and on a telephone; nothing but code is wider than the screen."""
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for size, (width, height) in SIZES.items():
            tab.page.set_viewport_size({"width": width, "height": height})
            tab.page.screenshot(path=SCREENSHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_syntax_error_appears_and_goes_with_the_mend(browser: Browser, tmp_path: Path) -> None:
    project = Project(tmp_path / "site", app=FLASK)
    with (
        Server(the_face("binary"), None, cwd=project.root, subcommand="dev") as server,
        browser.open(tmp_path / "profile") as context,
    ):
        tab = Tab(context, f"http://127.0.0.1:{server.port}")
        tab.visit("/")
        assert tab.page.inner_text("body") == "one"
        project.edit("app.py", 'return "one"', 'return ("two"')
        server.wait_log("waiting for a change")
        tab.page.reload()
        assert tab.page.inner_text("h1") == "'(' was never closed"
        assert tab.page.inner_text(".where") == "app.py, line 5"
        assert tab.page.inner_text("mark") == "("
        shoot(tab, "dev-syntax-error")
        # Another failure replaces the first one.
        project.write("app.py", "from shop import nothing\n")
        tab.page.get_by_text("No module named 'shop'").first.wait_for()
        project.write("app.py", FLASK.replace("one", "mended"))
        tab.page.get_by_text("mended").wait_for()
        # The page was as it should be, its own policy included; failed are only the answers.
        others = [complaint for complaint in tab.complaints if "status of" not in complaint]
        assert others == []


def test_a_chain_of_exceptions(browser: Browser, tmp_path: Path) -> None:
    project = Project(tmp_path / "site", app="from shop.views import app\n")
    project.write("shop/__init__.py", "")
    project.write("shop/views.py", "from flask import Flask\n\nfrom shop.config import PORT\n\napp = Flask(__name__)\n")
    project.write("shop/config.py", CONFIG)
    with (
        Server(the_face("binary"), None, cwd=project.root, subcommand="dev") as server,
        browser.open(tmp_path / "profile") as context,
    ):
        server.wait_log("waiting for a change")
        tab = Tab(context, f"http://127.0.0.1:{server.port}")
        tab.page.goto(tab.base + "/orders?page=2")
        assert tab.page.inner_text("h1") == "SHOP_PORT wants a whole number, not <eighty>"
        assert tab.page.inner_text(".where") == "shop/config.py, line 14"
        assert "not-for-the-projector" not in tab.page.content()
        shoot(tab, "dev-chain")
        project.edit("shop/config.py", "eighty", "80")
        tab.page.get_by_text("Not Found").first.wait_for()
        assert tab.page.url.endswith("/orders?page=2")


@pytest.mark.timeout(240)
def test_the_admin_of_a_new_project_under_dev(browser: Browser, tmp_path: Path) -> None:
    project = start_django(tmp_path / "site")
    with (
        Server(the_face("binary"), None, cwd=project.root, subcommand="dev") as server,
        browser.open(tmp_path / "profile") as context,
    ):
        tab = Tab(context, f"http://127.0.0.1:{server.port}")
        fetched = tab.visit("/admin/")
        assert {fetch.status for fetch in fetched if fetch.path.startswith("/static/")} == {200}
        assert tab.page.get_by_role("button", name="Log in").is_visible()
        urls = (project.root / "shop/urls.py").read_text()
        project.write("shop/urls.py", "import nothing_of_that_name\n")
        server.wait_log("waiting for a change")
        tab.page.goto(tab.base + "/admin/")
        assert tab.page.inner_text("h1") == "No module named 'nothing_of_that_name'"
        assert tab.page.inner_text(".where") == "shop/urls.py, line 1"
        project.write("shop/urls.py", urls)
        tab.page.get_by_role("button", name="Log in").wait_for()
