"""One page of a browser, with a record of all that it fetched and complained about.

The record is of the browser's own network events (Chrome DevTools Protocol, domain Network): they tell what came from
its cache, and they have what Playwright keeps back, such as icons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Error


@dataclass
class Fetch:
    """Something the page asked for; `status` stays 0 until there is an answer.

    `left`: the browser gave it up, as the page or frame that wanted it was no longer there.
    """

    path: str
    kind: str
    frame: str = ""
    loader: str = ""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cached: bool = False
    failure: str = ""
    left: bool = False


class Tab:
    """A new page of `context`."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.fetches: list[Fetch] = []
        self.base = base
        self._pending: dict[str, Fetch] = {}
        self.page.on("console", self._console)
        self.page.on("pageerror", self._page_error)
        network = context.new_cdp_session(self.page)
        network.on("Network.requestWillBeSent", self._asked)
        network.on("Network.requestServedFromCache", self._served_from_cache)
        network.on("Network.responseReceived", self._answered)
        network.on("Network.loadingFailed", self._failed)
        network.on("Page.frameNavigated", self._frame_navigated)
        network.on("Page.frameDetached", self._frame_detached)
        network.send("Network.enable")
        network.send("Page.enable")

    def visit(self, path: str) -> list[Fetch]:
        """Load a page and all it wants; what was fetched for it."""
        before = len(self.fetches)
        self.page.goto(self.base + path)
        return self._settled(before)

    def reload(self) -> list[Fetch]:
        """As `visit`, by the button that asks anew."""
        before = len(self.fetches)
        self.page.reload()
        return self._settled(before)

    def submit(self, button: str) -> list[Fetch]:
        """Press a button that leads to another page."""
        before = len(self.fetches)
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=button).click()
        return self._settled(before)

    def _settled(self, before: int) -> list[Fetch]:
        self.page.wait_for_load_state("networkidle")
        return self.fetches[before:]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _page_error(self, error: Error) -> None:
        self.complaints.append(f"not caught: {error}")

    def _asked(self, event: dict[str, Any]) -> None:
        # After a redirect the same request goes on, with another URL.
        if "redirectResponse" in event:
            self._answer(self._pending[event["requestId"]], event["redirectResponse"])
        path = urlsplit(event["request"]["url"]).path
        fetch = Fetch(path, event["type"], frame=event.get("frameId", ""), loader=event["loaderId"])
        self._pending[event["requestId"]] = fetch
        self.fetches.append(fetch)

    def _served_from_cache(self, event: dict[str, Any]) -> None:
        self._pending[event["requestId"]].cached = True

    def _answered(self, event: dict[str, Any]) -> None:
        self._answer(self._pending[event["requestId"]], event["response"])

    def _answer(self, fetch: Fetch, response: dict[str, Any]) -> None:
        fetch.status = response["status"]
        fetch.headers = {name.lower(): value for name, value in response["headers"].items()}
        fetch.cached |= response.get("fromDiskCache", False)

    def _failed(self, event: dict[str, Any]) -> None:
        fetch = self._pending[event["requestId"]]
        fetch.failure = event["errorText"]
        fetch.left = event.get("canceled", False)

    def _frame_navigated(self, event: dict[str, Any]) -> None:
        self._leave(event["frame"]["id"], stays=event["frame"]["loaderId"])

    def _frame_detached(self, event: dict[str, Any]) -> None:
        self._leave(event["frameId"])

    def _leave(self, frame: str, stays: str | None = None) -> None:
        """The document in `frame` is gone: of what it still waited for the browser tells nothing more."""
        for fetch in self._pending.values():
            if fetch.frame == frame and fetch.loader != stays and not fetch.status:
                fetch.left = True
