#!/usr/bin/env python3
"""How long a developer waits: from the edit of a file to the first answer that has it, beside the frameworks' own servers.

    benches/load/reload.py --monopod target/profiled/monopod --python target/test-venv/bin/python [--edits 20]

A five-line Flask file, and the admin of a new Django project with an edit of its urls.py. After each edit one client asks
again and again on a connection of its own, as a browser that is reloaded would. Told are median and slowest, and how many
of its requests failed meanwhile: were refused, cut off or answered with an error.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FLASK = """\
from flask import Flask
app = Flask(__name__)
@app.get("/")
def index():
    return "edit {number}"
"""
URLS = """\
from django.contrib import admin
from django.urls import path

admin.site.site_header = "edit {number}"
urlpatterns = [path("admin/", admin.site.urls)]
"""
# Between two edits, so that each begins with a server at rest.
PAUSE = 1.5
# An answer that has not come by then never will.
PATIENCE = 30.0


@dataclass(frozen=True)
class Subject:
    """A server and what is edited below it."""

    name: str
    command: list[str]
    file: str
    text: str
    target: str


@dataclass(frozen=True)
class Result:
    name: str
    seconds: list[float]
    failed: int

    def row(self) -> str:
        median, slowest = statistics.median(self.seconds), max(self.seconds)
        return f"| {self.name} | {median:.2f} s | {slowest:.2f} s | {self.failed} |"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def answer(port: int, target: str) -> bytes | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        body = response.read()
        return body if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wait_for(port: int, target: str, word: bytes) -> int:
    """Ask until `word` is in the answer; how many requests failed."""
    failed, deadline = 0, time.monotonic() + PATIENCE
    while True:
        body = answer(port, target)
        if body is not None and word in body:
            return failed
        failed += body is None
        if time.monotonic() > deadline:
            raise SystemExit(f"no {word!r} at {target} within {PATIENCE:.0f} s")
        time.sleep(0.002)


@contextmanager
def running(command: list[str], cwd: Path) -> Iterator[None]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MONOPOD_", "FLASK_", "DJANGO_"))}
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            yield
        finally:
            # The reloaders of the frameworks leave their child to the terminal's signal.
            os.killpg(process.pid, 15)
            process.wait(10)


def measure(subject: Subject, root: Path, port: int, edits: int) -> Result:
    seconds, failed = [], 0
    path = root / subject.file
    path.write_text(subject.text.format(number="first"))
    with running(subject.command, root):
        wait_for(port, subject.target, b"edit first")
        for number in range(edits):
            time.sleep(PAUSE)
            text = subject.text.format(number=f"{number:04}")
            began = time.perf_counter()
            path.write_text(text)
            failed += wait_for(port, subject.target, f"edit {number:04}".encode())
            seconds.append(time.perf_counter() - began)
    return Result(subject.name, seconds, failed)


def subjects(monopod: Path, python: Path, port: int) -> dict[str, list[Subject]]:
    ours = [str(monopod), "dev", "--venv", str(python.parent.parent), "--bind", f"127.0.0.1:{port}"]
    flask = [str(python), "-m", "flask", "run", "--debug", "--port", str(port)]
    runserver = [str(python), "manage.py", "runserver", str(port)]
    return {
        "Flask, five lines": [
            Subject("monopod dev", ours, "app.py", FLASK, "/"),
            Subject("flask run --debug", flask, "app.py", FLASK, "/"),
        ],
        "Django admin": [
            Subject("monopod dev", ours, "site1/urls.py", URLS, "/admin/login/"),
            Subject("manage.py runserver", runserver, "site1/urls.py", URLS, "/admin/login/"),
        ],
    }


def prepare(title: str, python: Path, root: Path) -> None:
    if title.startswith("Django"):
        for command in (["-m", "django", "startproject", "site1", "."], ["manage.py", "migrate", "-v0"]):
            subprocess.run([str(python), *command], cwd=root, check=True)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--monopod", type=Path, required=True, help="the native binary")
    options.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="of an environment with Flask and Django"
    )
    options.add_argument("--edits", type=int, default=20)
    given = options.parse_args()
    port = free_port()
    # Not resolved: the environment is where the link is.
    for title, group in subjects(given.monopod.absolute(), given.python.absolute(), port).items():
        print(f"\n| {title} | median | slowest | failed requests |\n|---|--:|--:|--:|", flush=True)
        for subject in group:
            with tempfile.TemporaryDirectory() as directory:
                root = Path(directory)
                prepare(title, given.python.absolute(), root)
                print(measure(subject, root, port, given.edits).row(), flush=True)


if __name__ == "__main__":
    main()
