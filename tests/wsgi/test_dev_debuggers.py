"""Promise: debuggers are at home in `monopod dev`: pdb in the terminal, the frameworks' pages, debugpy from an editor."""

from __future__ import annotations

import html
import json
import re
import socket
import sys
import termios
import threading
from pathlib import Path
from typing import Any

import pytest

from project import FLASK, Project, start_django
from server import Face, Starter, await_true, environment
from terminal import Terminal
from wire import TIMEOUT, Connection

PDB = """\
from flask import Flask
app = Flask(__name__)
@app.get("/")
def index():
    word = "one"
    breakpoint()
    return word
@app.get("/fast")
def fast():
    return "fast"
@app.get("/warn")
def warn():
    app.logger.warning("stock is low")
    return "warned"
@app.get("/input")
def ask():
    return "answer: " + input("question? ")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, app=PDB)


class Asked:
    """A request that is answered by and by."""

    def __init__(self, port: int, target: str = "/") -> None:
        self._connection = Connection(socket.create_connection(("127.0.0.1", port), TIMEOUT))
        self._connection.request(target, host="127.0.0.1")

    def body(self) -> bytes:
        with self._connection as connection:
            return connection.answer().body


def in_terminal(face: Face, project: Project, *args: str, **env: str) -> Terminal:
    words = face.command("dev", "--bind", "127.0.0.1:0", *args)
    return Terminal(words, project.root, environment({"TERM": "xterm", **env}))


def port_in(terminal: Terminal) -> int:
    terminal.wait("listening on ")
    terminal.wait("http://127.0.0.1:")
    return int(re.match(r"\d+", terminal.wait("application"))[0])  # type: ignore[index]


def test_a_breakpoint_has_the_terminal(face: Face, project: Project) -> None:
    with in_terminal(face, project) as terminal:
        port = port_in(terminal)
        asked = Asked(port)
        assert "with --threads 1" in terminal.wait("(Pdb) ").lower()
        # The other threads go on.
        assert Asked(port, "/fast").body() == b"fast"
        terminal.type("print(word * 2)\n")
        terminal.wait("oneone")
        terminal.wait("(Pdb) ")
        terminal.type("word = 'changed'\n")
        terminal.wait("(Pdb) ")
        terminal.type("c\n")
        assert asked.body() == b"changed"
        asked = Asked(port, "/input")
        terminal.wait("question? ")
        terminal.type("typed\n")
        assert asked.body() == b"answer: typed"


def test_with_one_thread_others_wait(face: Face, project: Project) -> None:
    with in_terminal(face, project, "--threads", "1") as terminal:
        port = port_in(terminal)
        asked = Asked(port)
        assert "--threads" not in terminal.wait("(Pdb) ")
        other = Asked(port, "/fast")
        terminal.type("c\n")
        assert (asked.body(), other.body()) == (b"one", b"fast")


@pytest.mark.parametrize("chosen", ["0", "builtins.print"])
def test_a_breakpoint_that_has_no_terminal_says_nothing_of_it(start: Starter, project: Project, chosen: str) -> None:
    server = project.serve(start, "--threads", "2", env={"PYTHONBREAKPOINT": chosen})
    assert server.ask("/").body == b"one"
    assert "has the terminal" not in server.log()


def test_the_terminal_is_as_it_was_after_a_debugger_was_cut_off(face: Face, project: Project) -> None:
    with in_terminal(face, project) as terminal:
        port = port_in(terminal)
        before = termios.tcgetattr(terminal.settings)
        _asked = Asked(port)
        terminal.wait("(Pdb) ")
        # Ctrl-C, as the keyboard sends it.
        terminal.type("\x03")
        assert terminal.exit_code() == 0
        assert termios.tcgetattr(terminal.settings) == before


def test_a_line_for_each_request_in_colours_on_a_terminal_only(face: Face, start: Starter, project: Project) -> None:
    with in_terminal(face, project) as terminal:
        port = port_in(terminal)
        Asked(port, "/fast?a=1").body()
        assert terminal.wait("\x1b[32m200").endswith("GET /fast?a=1\x1b[0m ")
        Asked(port, "/none").body()
        terminal.wait("\x1b[33m404")
    with in_terminal(face, project, NO_COLOR="1") as terminal:
        port = port_in(terminal)
        Asked(port, "/fast").body()
        terminal.wait("GET /fast 200 4 B ")
        assert "\x1b" not in terminal.seen
    server = project.serve(start)
    # What the application says comes as it said it.
    server.ask("/warn")
    assert re.fullmatch(r"\[[^\]]*\] WARNING in app: stock is low\n", server.wait_log("stock is low"))
    server.ask("/fast")
    line = server.wait_log("GET /fast")
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET /fast 200 4 B [\d.]+ ms \(app [\d.]+\)\n", line)


def test_werkzeugs_page_with_its_console(start: Starter, tmp_path: Path) -> None:
    project = Project(tmp_path, app=FLASK.replace('"one"', "1 / 0"))
    server = project.serve(start)
    with server.connect() as client:
        client.request("/", headers=[("Accept", "text/html")], host=f"127.0.0.1:{server.port}")
        answer = client.answer()
    page = answer.body.decode()
    assert answer.status == 500
    assert "ZeroDivisionError" in page
    assert "EVALEX = true" in page
    secret = re.search(r'SECRET = "(\w+)"', page)
    frame = re.search(r'id="frame-(\d+)"', page)
    assert secret
    assert frame
    pin = server.wait_log("PIN ").split()[-1]

    def ask(query: str, headers: list[tuple[str, str]]) -> Any:
        with server.connect() as client:
            client.request(
                f"/?__debugger__=yes&s={secret[1]}&{query}", headers=headers, host=f"127.0.0.1:{server.port}"
            )
            return client.answer()

    entered = ask(f"cmd=pinauth&pin={pin}", [])
    assert json.loads(entered.body)["auth"] is True
    cookie = entered.get("set-cookie").split(";")[0]
    said = ask(f"cmd=6*7&frm={frame[1]}", [("Cookie", cookie)])
    assert "42" in html.unescape(said.body.decode())


def test_a_new_django_project_runs_without_arguments(start: Starter, tmp_path: Path) -> None:
    project = start_django(tmp_path / "site")
    server = project.serve(start)
    host = "127.0.0.1"

    def ask(target: str) -> Any:
        with server.connect() as client:
            client.request(target, headers=[("Accept", "text/html")], host=host)
            return client.answer()

    assert b"The install worked successfully" in ask("/").body
    login = ask("/admin/login/?next=/admin/")
    assert b"Django administration" in login.body
    styles = re.findall(rb'href="(/static/[^"]+\.css)"', login.body)
    assert styles
    for style in styles:
        assert ask(style.decode()).get("content-type") == "text/css; charset=utf-8"
    assert "shop.wsgi:application, ready after" in server.log()
    project.write("shop/urls.py", "from django.urls import path\nurlpatterns = [path('', lambda request: 1 / 0)]\n")
    await_answer_of(ask, b"ZeroDivisionError")
    assert b"Request Method" in ask("/").body
    project.edit("shop/settings.py", "ROOT_URLCONF = 'shop.urls'", "ROOT_URLCONF = 'shop.other'")
    project.write(
        "shop/other.py",
        "from django.shortcuts import render\nfrom django.urls import path\n"
        "urlpatterns = [path('', lambda request: render(request, 'a.html'))]\n",
    )
    project.edit("shop/settings.py", "'DIRS': []", "'DIRS': [BASE_DIR / 'pages']")
    project.write("pages/a.html", "page one")
    await_answer_of(ask, b"page one")
    # Past the loader that keeps templates.
    project.write("pages/a.html", "page two")
    await_answer_of(ask, b"page two")


def await_answer_of(ask: Any, body: bytes) -> None:
    await_true(lambda: body in ask("/").body, f"{body!r}")


class Adapter:
    """A client of the Debug Adapter Protocol."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.stream = self.sock.makefile("rwb")
        self.sequence = 0
        self.pending: list[dict[str, Any]] = []

    def send(self, command: str, arguments: dict[str, Any] | None = None) -> int:
        self.sequence += 1
        message = {"seq": self.sequence, "type": "request", "command": command, "arguments": arguments or {}}
        body = json.dumps(message).encode()
        self.stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.stream.flush()
        return self.sequence

    def receive(self) -> dict[str, Any]:
        length = 0
        while line := self.stream.readline().strip():
            name, value = line.split(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(self.stream.read(length))

    def wait(self, **wanted: Any) -> dict[str, Any]:
        def fits(message: dict[str, Any]) -> bool:
            return all(message.get(key) == value for key, value in wanted.items())

        for message in self.pending:
            if fits(message):
                self.pending.remove(message)
                return message
        while not fits(message := self.receive()):
            self.pending.append(message)
        return message

    def ask(self, command: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.wait(type="response", request_seq=self.send(command, arguments))
        assert answer["success"], answer
        return answer.get("body", {})


def test_an_editor_attaches_by_debugpy(face: Face, tmp_path: Path) -> None:
    if face.name == "binary":
        pytest.skip("debugpy runs Python programs, such as the wheel's command")
    project = Project(tmp_path, app=FLASK.replace('    return "one"', '    word = "one"\n    return word'))
    with socket.create_server(("127.0.0.1", 0)) as free:
        debug_port = free.getsockname()[1]
    words = [
        sys.executable,
        "-Xfrozen_modules=off",
        "-m",
        "debugpy",
        "--listen",
        f"127.0.0.1:{debug_port}",
        "--wait-for-client",
    ]
    words += ["-m", "monopod", "dev", "--no-reload", "--bind", "127.0.0.1:0"]
    with Terminal(words, project.root, environment({"TERM": "dumb"})) as terminal:
        adapter = attach(debug_port)
        adapter.ask("initialize", {"adapterID": "test", "pathFormat": "path", "linesStartAt1": True})
        attached = adapter.send("attach", {"justMyCode": False})
        adapter.wait(type="event", event="initialized")
        where = {"source": {"path": str(project.root / "app.py")}, "breakpoints": [{"line": 6}]}
        adapter.ask("setBreakpoints", where)
        adapter.ask("configurationDone")
        adapter.wait(type="response", request_seq=attached)
        asked = Asked(port_in(terminal))
        thread = adapter.wait(type="event", event="stopped")["body"]["threadId"]
        [frame, *_] = adapter.ask("stackTrace", {"threadId": thread})["stackFrames"]
        assert (frame["name"], frame["line"]) == ("index", 6)
        said = adapter.ask("evaluate", {"expression": "word + '!'", "frameId": frame["id"], "context": "repl"})
        assert said["result"] == "'one!'"
        adapter.ask("continue", {"threadId": thread})
        assert asked.body() == b"one"


def attach(port: int) -> Adapter:
    """As soon as there is somebody to talk to."""
    attempts = threading.Event()
    for _ in range(600):
        try:
            return Adapter(port)
        except ConnectionRefusedError:
            attempts.wait(0.05)
    raise AssertionError("debugpy does not listen")
