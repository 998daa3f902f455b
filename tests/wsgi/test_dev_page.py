"""Promise: what docs/development.md shows can be typed as it stands."""

from __future__ import annotations

import json
import re
import shlex
import socket
import sys
from pathlib import Path

import pytest

from project import FLASK, Project
from server import Face, environment
from terminal import Terminal
from wire import TIMEOUT, Connection

PAGE = (Path(__file__).parents[2] / "docs/development.md").read_text()
COMMANDS = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) == 5
    assert all(word in " ".join(COMMANDS) for word in ("--open", "--reload-extra-file", "--threads 1", "--no-reload"))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_serves(face: Face, tmp_path: Path, command: str) -> None:
    program, *words = shlex.split(command)
    if program == "python":
        if face.name == "binary":
            pytest.skip("Python runs the wheel's command")
        # The port of the page may be in use.
        words = [free_port() if word == "5678" else word for word in words]
        typed = [sys.executable, *words]
    else:
        assert program == "monopod"
        typed = face.command(None, *words)
    project = Project(tmp_path, app=FLASK)
    env = environment({"MONOPOD_BIND": "127.0.0.1:0", "BROWSER": "true", "TERM": "dumb"})
    with Terminal(typed, project.root, env) as terminal:
        terminal.wait("listening on http://127.0.0.1:")
        terminal.wait("app:app")
        found = re.search(r"listening on http://127.0.0.1:(\d+)", terminal.seen)
        assert found
        with Connection(socket.create_connection(("127.0.0.1", int(found[1])), TIMEOUT)) as client:
            client.request("/")
            assert client.answer().body == b"one"
        terminal.type("\x03")
        assert terminal.exit_code() == 0


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def test_the_settings_for_vs_code_are_what_it_reads() -> None:
    [text] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    [configuration] = json.loads(text)["configurations"]
    assert configuration["module"] == "monopod"
    assert " ".join(configuration["args"]) in " ".join(COMMANDS)


def test_the_lines_it_shows_are_those_that_are_said(face: Face, tmp_path: Path) -> None:
    [shown] = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    project = Project(tmp_path, app=FLASK)
    env = environment({"MONOPOD_BIND": "127.0.0.1:0", "TERM": "dumb"})
    with Terminal(face.command("dev"), project.root, env) as terminal:
        terminal.wait("PIN ")
        port = re.search(r"127.0.0.1:(\d+)", terminal.seen)
        assert port
        with Connection(socket.create_connection(("127.0.0.1", int(port[1])), TIMEOUT)) as client:
            client.request("/")
            client.answer()
        terminal.wait("GET /")
        project.edit("app.py", "one", "two")
        terminal.wait("changed: starting anew")
        terminal.wait("ready after")
        terminal.wait("s")

        def plain(text: str) -> list[str]:
            text = re.sub(r"\d+(\.\d+)?", "0", text.replace("0.1.0", "v").replace("kB", "B"))
            return [
                re.sub(r"(0-)+0", "0", line).rstrip() for line in text.replace("\r", "").splitlines() if line.strip()
            ]

        assert plain(terminal.seen) == plain(shown)
