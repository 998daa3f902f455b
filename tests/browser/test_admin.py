"""Promise: a browser gets each file of Django's admin compressed, once, and never asks for it again.

The pages are those of examples/django_site. Screenshots go to target/browser.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from browser import Browser
from django_site import Site
from server import Server
from tab import Fetch, Tab

SCREENSHOTS = Path(__file__).parents[2] / "target/browser"
FOREVER = "public, max-age=31536000, immutable"
# By name: a list, a form with a widget that is all JavaScript, and the site's own page.
PAGES = {"index": "/admin/", "list": "/admin/notes/note/", "form": "/admin/notes/note/add/", "notes": "/"}


# The site is made ready within this time as well.
@pytest.mark.timeout(240)
def test_the_admin(browser: Browser, server: Server, site: Site, tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{server.port}"
    with browser.open(tmp_path) as context:
        tab = Tab(context, base)
        log_in(tab)
        for name, path in PAGES.items():
            tab.visit(path)
            shoot(tab, name)
            assert_styled(tab)
        tab.visit(PAGES["form"])
        # What select2 makes of the field, so the scripts ran.
        tab.page.locator(".select2-container").first.wait_for()
        assert_sent_well(tab.fetches, site)

        told = tell(server, "first")
        for path in PAGES.values():
            assert_from_the_cache(tab.visit(path))
            assert_from_the_cache(tab.reload())
        assert_untroubled(tab)
    assert_not_asked(server, told)

    # The cache in memory ended with the browser; the one on disk, and the session's cookie, are still there.
    told = tell(server, "second")
    with browser.open(tmp_path) as context:
        tab = Tab(context, base)
        for path in PAGES.values():
            assert_from_the_cache(tab.visit(path))
            assert_styled(tab)
        assert_untroubled(tab)
    assert_not_asked(server, told)


def log_in(tab: Tab) -> None:
    tab.visit("/admin/")
    shoot(tab, "login")
    tab.page.get_by_label("Username").fill("admin")
    tab.page.get_by_label("Password").fill("admin")
    tab.submit("Log in")
    assert "Site administration" in tab.page.title()


def shoot(tab: Tab, name: str) -> None:
    """A screenshot, for people to look at."""
    tab.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def static(fetches: Iterable[Fetch]) -> list[Fetch]:
    return [fetch for fetch in fetches if fetch.path.startswith("/static/")]


def assert_styled(tab: Tab) -> None:
    """Every style sheet was decoded and understood."""
    rules = tab.page.evaluate("[...document.styleSheets].map(sheet => sheet.cssRules.length)")
    assert rules
    assert all(rules), rules


def assert_sent_well(fetches: list[Fetch], site: Site) -> None:
    """The files were sent in the best coding there is for them, to be kept for ever."""
    sent = [fetch for fetch in static(fetches) if not fetch.cached]
    compressed: Counter[str] = Counter()
    for fetch in sent:
        file = site.static_root / fetch.path.removeprefix("/static/")
        has_sibling = any(file.with_name(file.name + suffix).exists() for suffix in (".br", ".zst"))
        assert fetch.status == 200, fetch
        assert fetch.headers.get("content-encoding") in (("br", "zstd") if has_sibling else (None,)), fetch
        assert fetch.headers["cache-control"] == FOREVER, fetch
        compressed[fetch.kind] += has_sibling
    assert compressed["Stylesheet"] > 5, compressed
    assert compressed["Script"] > 10, compressed
    assert compressed["Image"] > 3, compressed
    paths = [fetch.path for fetch in sent]
    assert sorted(paths) == sorted(set(paths)), "a file was sent twice"


def assert_from_the_cache(fetches: list[Fetch]) -> None:
    assert static(fetches)
    assert [fetch for fetch in static(fetches) if not fetch.cached] == []


def assert_untroubled(tab: Tab) -> None:
    assert tab.complaints == []
    assert [fetch for fetch in tab.fetches if fetch.failure or not 200 <= fetch.status < 400] == []


def tell(server: Server, mark: str) -> int:
    """Have the server log a request that is told by `mark`; how long its log is then."""
    with server.connect() as client:
        client.request(f"/status?{mark}", host="localhost")
        assert client.answer().status == 200
    server.wait_log(f'query="{mark}"')
    return len(server.log())


def assert_not_asked(server: Server, since: int) -> None:
    """The server's own log has pages since then, and no static file."""
    until = tell(server, f"after-{since}")
    log = server.log()[since:until]
    assert 'path="/admin/"' in log
    assert 'path="/static/' not in log, log
