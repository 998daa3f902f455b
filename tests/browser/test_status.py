"""Promise: the admin port's root shows a browser how the server does, live, and lets nothing in or out.

Screenshots go to target/browser.
"""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from browser import Browser
from gate import Gate
from server import Server, the_face
from tab import Tab

SCREENSHOTS = Path(__file__).parents[2] / "target/browser"
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}


@contextmanager
def a_server(tmp_path: Path, *options: str) -> Iterator[Server]:
    (tmp_path / "a.txt").write_text("a file\n")
    admin = ("--admin-bind", "127.0.0.1:0", "--threads", "4", "--static", f"/static={tmp_path}")
    with Server(the_face("binary"), "lab:application", *admin, *options) as server:
        yield server


@contextmanager
def load(server: Server) -> Iterator[None]:
    """Somebody asks all the time, without haste."""
    enough = threading.Event()

    def ask() -> None:
        targets = ["/hello", "/static/a.txt", "/hello", "/nothing", "/raises?kind=ValueError&at=call"]
        with server.connect() as client:
            while not enough.wait(0.02):
                client.ask(targets[0])
                targets.append(targets.pop(0))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def value(page: Page, name: str) -> Locator:
    return page.locator(f"[data-at={name}]").first


def cells(page: Page, table: str, row: str) -> Locator:
    """The numbers of a row."""
    return page.locator(f"#{table} tr", has=page.get_by_role("rowheader", name=row)).locator("td")


def await_growth(cell: Locator) -> None:
    """It counts, so another number is a greater one."""
    first = cell.inner_text()
    expect(cell).not_to_have_text(first)
    assert int(cell.inner_text().replace(",", "")) > int(first.replace(",", ""))


def visit(tab: Tab) -> None:
    """Without waiting for quiet, as the page goes on asking."""
    tab.page.goto(tab.base)
    expect(tab.page.get_by_role("status")).not_to_have_text("Connecting")


@pytest.fixture
def tab(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser.open(tmp_path_factory.mktemp("profile")) as context:
        yield Tab(context, f"http://127.0.0.1:{server.admin_port}/")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with a_server(tmp_path) as server:
        yield server


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_moves_under_load(server: Server, tab: Tab, scheme: str) -> None:
    page = tab.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with load(server):
        visit(tab)
        expect(page.get_by_role("status")).to_have_text("Ready")
        for row in ("All", "2xx", "4xx", "5xx", "Static files"):
            await_growth(cells(page, "answers", row).nth(1))
        await_growth(cells(page, "faults", "app-raised").nth(1))
        expect(value(page, "rate")).to_have_text(re.compile(r"[1-9]\d*"))
        expect(value(page, "p95")).to_have_text(re.compile(r"\d.m?s"))
        expect(value(page, "threads")).to_have_text("4")
        expect(page.get_by_role("img", name="requests per second over the last minute")).to_be_visible()
        for name, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=SCREENSHOTS / f"status-{name}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert tab.complaints == []
    assert [url for url in asked if not url.startswith((tab.base, "data:"))] == []
    assert {url.removeprefix(tab.base) for url in asked if url.startswith(tab.base)} == {"", "-/status.json"}
    assert server.ask_admin("/-/ready").status == 200


def test_it_asks_only_while_somebody_looks(tab: Tab) -> None:
    visit(tab)
    page = tab.page
    look = (
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    for rest, wake in [
        (lambda: page.evaluate(look, True), lambda: page.evaluate(look, False)),
        (page.get_by_role("button", name="Pause").click, page.get_by_role("button", name="Resume").click),
    ]:
        with page.expect_request("**/status.json"):
            pass
        rest()
        page.wait_for_load_state("networkidle")
        before = len(tab.fetches)
        # Three of its turns.
        page.wait_for_timeout(3000)
        assert len(tab.fetches) == before
        with page.expect_request("**/status.json"):
            wake()


def test_a_full_queue_the_drain_and_the_end(browser: Browser, gate: Gate, tmp_path: Path) -> None:
    with a_server(tmp_path, "--threads", "1", "--queue-size", "1") as server, browser.open(tmp_path / "p") as context:
        tab = Tab(context, f"http://127.0.0.1:{server.admin_port}/")
        visit(tab)
        state = tab.page.get_by_role("status")
        expect(state).to_have_text("Ready")
        with server.connect() as busy, server.connect() as waiting:
            busy.request(f"/hello?gate={gate.port}")
            visitor = gate.wait("hello")
            waiting.request("/hello")
            expect(state).to_have_text("Not ready: the queue is full")
            expect(value(tab.page, "depth")).to_have_text("1")
            expect(value(tab.page, "busy")).to_have_text("1")
            server.send_signal(signal.SIGTERM)
            expect(state).to_have_text("Draining: requests in flight are being finished")
            tab.page.screenshot(path=SCREENSHOTS / "status-draining.png")
            assert tab.complaints == []
            visitor.let_through()
            assert busy.answer().status == waiting.answer().status == 200
        assert server.exit_code() == 0
        expect(state).to_have_text(re.compile("No answer for"))


def test_names_from_elsewhere_are_text(server: Server, tab: Tab) -> None:
    told = json.loads(server.ask_admin("/-/status.json").body)
    markup = "<img src=x onerror=alert(1)>"
    told |= {"host": markup, "version": markup, "not_ready": markup, "faults": {markup: 1}}
    tab.page.route("**/-/status.json", lambda route: route.fulfill(json=told))
    visit(tab)
    expect(tab.page.locator("#faults")).to_contain_text(markup)
    expect(tab.page.locator("#host")).to_have_text(markup)
    assert tab.page.locator("img").count() == 0
    assert tab.complaints == []


def test_no_other_script_runs(tab: Tab) -> None:
    visit(tab)
    ran = tab.page.evaluate(
        "() => { const script = document.createElement('script'); script.append('window.ran = true');"
        " document.body.append(script); return window.ran ?? false; }"
    )
    assert ran is False
    assert any("TrustedScript" in complaint for complaint in tab.complaints)
