"""Chromium as the distribution has it, started anew for each profile that is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Playwright

# What a step may take, in milliseconds: less than the test may.
STEP_WITHIN = 30_000


class Browser:
    """Chromium at `executable`."""

    def __init__(self, playwright: Playwright, executable: str) -> None:
        self._chromium = playwright.chromium
        self._executable = executable

    @contextmanager
    def open(self, profile: Path) -> Iterator[BrowserContext]:
        """Run it with a profile directory; the cache on disk and the cookies are as it was left there."""
        context = self._chromium.launch_persistent_context(
            profile,
            executable_path=self._executable,
            # Root cannot have it, and the pages are our own.
            chromium_sandbox=False,
            # What needs another host would not work where there is none.
            args=["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--no-proxy-server"],
        )
        try:
            context.set_default_timeout(STEP_WITHIN)
            yield context
        finally:
            context.close()
