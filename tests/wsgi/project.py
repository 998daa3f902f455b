"""A project that is worked on: files that are written as editors write them, and `monopod dev` above it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from server import Server, Starter, await_true
from wire import Answer

CHANGED = "changed: starting anew"
HTML = (("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),)

FLASK = """\
from flask import Flask
app = Flask(__name__)
@app.get("/")
def index():
    return "one"
"""


class Project:
    """A directory with the files of an application."""

    def __init__(self, root: Path, **files: str) -> None:
        self.root = root
        for name, text in files.items():
            self.write(f"{name}.py", text)

    def write(self, name: str, text: str) -> Path:
        """As most tools do: the same file, with other content."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, name: str, text: str) -> None:
        """As careful editors do: another file takes the name."""
        other = self.root / f"{name}.tmp~"
        other.write_text(text)
        other.rename(self.root / name)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.replace(name, text.replace(old, new))

    def serve(self, start: Starter, *args: str, target: str | None = None, **options: Any) -> Server:
        # As people run it: with compiled copies of modules, which must not be served for what they were made from.
        env = {"PYTHONDONTWRITEBYTECODE": "", **(options.pop("env", None) or {})}
        return start(target, *args, cwd=self.root, subcommand="dev", env=env, **options)


def await_answer(server: Server, body: bytes, target: str = "/") -> Answer:
    """Ask until the answer has `body`; none of the requests may fail."""
    seen = []

    def is_there() -> bool:
        seen[:] = [server.ask(target)]
        return body in seen[0].body

    await_true(is_there, f"{body!r} at {target}")
    return seen[0]


def reloads(server: Server) -> list[str]:
    """The files that made it start anew."""
    return re.findall(rf"^(.*) {CHANGED}$", server.log(), re.MULTILINE)


def await_reload(server: Server, name: str) -> None:
    """Wait until a change of `name` was noticed, and the application is there again."""
    await_true(lambda: name in reloads(server), f"a reload for {name}: {server.log()}")
    await_true(lambda: server.log().count("ready after") > len(reloads(server)), "the application is ready again")


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that are there."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def start_django(root: Path, name: str = "shop") -> Project:
    """What `django-admin startproject` makes, with its database."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO_")}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    root.mkdir()
    for command in (["-m", "django", "startproject", name, str(root)], [str(root / "manage.py"), "migrate", "-v0"]):
        subprocess.run([sys.executable, *command], env=env, check=True, capture_output=True)
    return Project(root)
