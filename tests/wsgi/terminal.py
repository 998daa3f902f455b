"""A terminal with a command in it: what is typed, and what is seen."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from wire import TIMEOUT


class Terminal:
    """Runs `command` in a terminal of its own, as the session's leader; use as a context manager."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        )
        self.settings = theirs
        self.seen = ""
        self._looked = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.settings)
        os.close(self._ours)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait(self, text: str) -> str:
        """Read until `text` is there, behind what was waited for before; what is between."""
        deadline = time.monotonic() + TIMEOUT
        while (at := self.seen.find(text, self._looked)) < 0:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} in the terminal:\n{self.seen}"
            if select.select([self._ours], [], [], left)[0]:
                try:
                    self.seen += os.read(self._ours, 1 << 16).decode("utf-8", "replace")
                except OSError:
                    raise AssertionError(f"no {text!r} before the end:\n{self.seen}") from None
        between = self.seen[self._looked : at]
        self._looked = at + len(text)
        return between

    def exit_code(self) -> int:
        return self.process.wait(TIMEOUT)
