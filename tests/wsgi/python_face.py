"""What tests of the Python faces share: where they can run, programs of their own, and a client that is in no hurry."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from conftest import FACES
from server import environment

# The package is in the wheel only, and pytest runs where that is installed.
needs_package = pytest.mark.skipif("wheel" not in FACES, reason="MONOPOD_FACES leaves out the wheel")
# A program that imports a framework and starts, on a machine that is busy.
WITHIN = 60.0


def get(url: str, timeout: float = 20) -> tuple[int, bytes]:
    """Status and body, whatever the status is."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def run(
    *args: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = WITHIN
) -> subprocess.CompletedProcess[str]:
    """A program of the tests' Python that is to end by itself."""
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def python(code: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """What a program prints; it must end well."""
    ended = run("-c", textwrap.dedent(code), cwd=cwd, env=env)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


class Program:
    """A program that goes on, and what it says; use as a context manager."""

    def __init__(self, *args: str, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *args],
            cwd=cwd,
            # The children of a reloader are not started with the same flags.
            env=environment({"PYTHONUNBUFFERED": "1", **(env or {})}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Signals reach the children of a reloader as well, as those of a terminal do.
            start_new_session=True,
        )
        self._said: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._news:
                self._said.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def said(self) -> str:
        with self._news:
            return "".join(self._said)

    def wait_for(self, text: str, times: int = 1) -> str:
        """The line that has `text`, the last of so many."""

        def found() -> list[str]:
            return [line for line in self._said if text in line][:times]

        with self._news:
            self._news.wait_for(lambda: len(found()) == times or self._ended, WITHIN)
            lines = found()
        assert len(lines) == times, f"no {text!r} ({times}) in:\n{self.said()}"
        return lines[-1]

    def changes(self, path: Path, text: str, notices: str) -> None:
        """Write a file until the reloader says that it `notices`: it knows a file a second after it was imported first."""
        before = self.said().count(notices)
        path.write_text(text)
        deadline = time.monotonic() + WITHIN
        with self._news:
            while not self._news.wait_for(lambda: "".join(self._said).count(notices) > before, 3):
                assert time.monotonic() < deadline, "".join(self._said)
                os.utime(path)

    def signal_all(self, number: int) -> None:
        """To the whole group, as a terminal does at Ctrl-C."""
        os.killpg(self.process.pid, number)

    def exit_code(self) -> int:
        code = self.process.wait(WITHIN)
        self._reader.join(WITHIN)
        return code

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal_all(signal.SIGKILL)
        self.process.wait()
        self._reader.join(WITHIN)
