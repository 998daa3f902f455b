"""Promise: `monopod dev` answers with what the files say now, and no request fails while it starts anew."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from project import FLASK, Project, await_answer, await_reload, children, reloads
from server import Starter, await_true

# It is there in less time than Flask takes.
SMALL = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return [b"one"]
"""


@pytest.fixture
def flask(tmp_path: Path) -> Project:
    return Project(tmp_path, app=FLASK)


def test_a_five_line_flask_file_runs_without_arguments_and_follows_its_editor(start: Starter, flask: Project) -> None:
    server = flask.serve(start)
    assert server.ask("/").body == b"one"
    flask.edit("app.py", "one", "two")
    await_answer(server, b"two")
    flask.write("app.py", FLASK.replace("one", "three"))
    await_answer(server, b"three")
    log = server.log()
    assert "app:app, ready after" in log
    assert "development only" in log


def test_no_request_fails_while_the_application_is_replaced(start: Starter, flask: Project) -> None:
    server = flask.serve(start)
    server.ask("/")
    words = ["one", "two", "three", "four"]
    over = threading.Event()

    def ask() -> list[int]:
        answers = []
        while not over.is_set():
            answers.append(words.index(server.ask("/").body.decode()))
        return answers

    with ThreadPoolExecutor(3) as pool:
        clients = [pool.submit(ask) for _ in range(3)]
        try:
            for word in words[1:]:
                flask.write("app.py", FLASK.replace("one", word))
                await_answer(server, word.encode())
        finally:
            over.set()
    for client in clients:
        # Whatever went wrong is raised here. Never back to what was.
        answers = client.result()
        assert answers == sorted(answers)
        assert len(set(answers)) > 1


def test_a_request_that_runs_is_finished_by_the_old_process(start: Starter, flask: Project) -> None:
    flask.write(
        "app.py",
        FLASK
        + '@app.get("/slow")\ndef slow():\n    import time\n    print("slow begins")\n    time.sleep(0.7)\n    return "old"\n',
    )
    server = flask.serve(start)
    server.ask("/")
    with server.connect() as client:
        client.request("/slow")
        server.wait_log("slow begins")
        flask.edit("app.py", "one", "two")
        await_answer(server, b"two")
        assert client.answer().body == b"old"


@pytest.mark.parametrize(("text", "word"), [(SMALL.replace("one", "two"), "ready after"), ("app = (\n", "waiting for")])
def test_a_connection_in_reserve_leads_to_nothing_old(start: Starter, tmp_path: Path, text: str, word: str) -> None:
    # Browsers open one before they need it. The new process is there before the old one would have closed it by itself.
    project = Project(tmp_path, app=SMALL)
    server = project.serve(start)
    assert server.ask().body == b"one"
    with server.connect() as reserve:
        # It is with the process, no longer in the backlog.
        time.sleep(0.2)
        project.replace("app.py", text)
        # At the beginning of a line: the first start says it in another.
        await_true(lambda: f"\n{word}" in server.log(), f"{word}: {server.log()}")
        with suppress(ConnectionError):
            reserve.request()
        assert reserve.rest()[0] == b""


def test_an_open_stream_ends_with_one_line(start: Starter, flask: Project) -> None:
    flask.write(
        "app.py",
        FLASK
        + '@app.get("/events")\ndef events():\n    import time\n    def stream():\n        while True:\n'
        + '            yield "data: x\\n\\n"\n            time.sleep(0.05)\n    return app.response_class(stream())\n',
    )
    server = flask.serve(start)
    with server.connect() as client:
        client.request("/events")
        assert client.head().status == 200
        flask.edit("app.py", "one", "two")
        await_answer(server, b"two")
        server.wait_log("requests are cut off")
    # Nothing more is said when the old process is gone.
    await_true(lambda: len(children(server.pid)) == 1, "the end of the old process")
    assert server.log().count("cut off") == 1, server.log()
    assert 'File "' not in server.log()


def test_what_a_request_imports_is_watched_too(start: Starter, flask: Project) -> None:
    flask.write("late.py", "text = 'late one'\n")
    flask.write("app.py", FLASK + '@app.get("/late")\ndef late():\n    from late import text\n    return text\n')
    server = flask.serve(start)
    # Not imported yet, so not a part of the application.
    flask.write("late.py", "text = 'late two'\n")
    assert server.ask("/late").body == b"late two"
    # What it imported is told within a second or two.
    numbers = iter(range(10_000))

    def is_watched() -> bool:
        flask.write("late.py", f"text = 'late {next(numbers)}'\n")
        return "late.py" in reloads(server)

    await_true(is_watched, "what was imported late is watched")
    await_answer(server, b"late", "/late")


def test_modules_elsewhere_are_watched(start: Starter, tmp_path: Path) -> None:
    elsewhere = Project(tmp_path / "elsewhere")
    elsewhere.write("lib/__init__.py", "")
    elsewhere.write("lib/words.py", "word = 'one'\n")
    project = Project(tmp_path / "site")
    project.write(
        "app.py",
        f"import sys\nsys.path.append({str(elsewhere.root)!r})\nfrom lib.words import word\n"
        + FLASK.replace('"one"', "word"),
    )
    server = project.serve(start)
    assert server.ask("/").body == b"one"
    elsewhere.replace("lib/words.py", "word = 'two'\n")
    await_answer(server, b"two")


def test_what_is_no_part_of_the_application_starts_nothing(start: Starter, flask: Project) -> None:
    for name in (
        "static/a.css",
        "media/a.txt",
        "notes.txt",
        "test_app.py",
        "node_modules/x/app.py",
        ".venv/pyvenv.cfg",
    ):
        flask.write(name, "1")
    server = flask.serve(start)
    server.ask("/")
    assert server.ask("/static/a.css").body == b"1"
    flask.write("static/a.css", "2")
    assert server.ask("/static/a.css").body == b"2"
    for name in (
        "media/a.txt",
        "notes.txt",
        "test_app.py",
        "app.py~",
        ".app.py.swp",
        "4913",
        ".#app.py",
        "node_modules/x/app.py",
    ):
        flask.write(name, "2")
    # Saved without a change, and touched.
    flask.write("app.py", FLASK)
    flask.replace("app.py", FLASK)
    os.utime(flask.root / "app.py")
    with sqlite3.connect(flask.root / "db.sqlite3") as database:
        database.execute("create table t (x)")
    # The one that counts comes last, and is the only one.
    flask.edit("app.py", "one", "two")
    await_answer(server, b"two")
    assert reloads(server) == ["app.py"]


def test_templates_settings_and_files_that_are_named_start_anew(start: Starter, flask: Project) -> None:
    flask.write(
        "app.py",
        "import os\nfrom flask import Flask, render_template\napp = Flask(__name__)\n"
        '@app.get("/")\ndef index():\n    return render_template("a.html", word=os.environ.get("WORD"))\n',
    )
    flask.write("templates/a.html", "page one {{ word }}")
    flask.write("content/deep/x.md", "1")
    server = flask.serve(start, "--reload-extra-file", "content/**/*.md", "--reload-extra-file", "data.json")
    assert server.ask("/").body == b"page one None"
    flask.replace("templates/a.html", "page two {{ word }}")
    await_answer(server, b"page two None")
    await_reload(server, "templates/a.html")
    for name, text in (
        (".env", "WORD='from a file'\n"),
        ("content/deep/x.md", "2"),
        ("data.json", "{}"),
        ("monopod.toml", "threads = 2"),
    ):
        flask.write(name, text)
        await_reload(server, name)
    assert server.ask("/").body == b"page two from a file"
    flask.write(".env", "WORD=other\n")
    await_answer(server, b"other")


def test_the_environment_counts_more_than_its_file(start: Starter, flask: Project) -> None:
    flask.write(
        "app.py",
        FLASK.replace('"one"', 'os.environ["WORD"] + os.environ["OTHER"]').replace("from", "import os\nfrom", 1),
    )
    flask.write(".env", "WORD=file\nOTHER=${WORD}\n")
    server = flask.serve(start, env={"WORD": "shell"})
    assert server.ask("/").body == b"shellshell"


def test_packages_that_are_renamed_and_modules_that_shadow(start: Starter, flask: Project) -> None:
    flask.write("words/__init__.py", "")
    flask.write("words/en.py", "word = 'one'\n")
    body = "try:\n    from words.en import word\nexcept ImportError:\n    word = 'none'\nimport colorsys\n"
    flask.write("app.py", body + FLASK.replace('"one"', 'word + str(hasattr(colorsys, "ours"))'))
    server = flask.serve(start)
    assert server.ask("/").body == b"oneFalse"
    (flask.root / "words").rename(flask.root / "parole")
    await_answer(server, b"noneFalse")
    (flask.root / "parole").rename(flask.root / "words")
    # Nobody imports it at the moment, but something of its name was looked for.
    flask.write("colorsys.py", "ours = True\n")
    await_answer(server, b"oneTrue")
    (flask.root / "colorsys.py").unlink()
    await_answer(server, b"oneFalse")


def test_a_new_directory_is_watched(start: Starter, flask: Project) -> None:
    server = flask.serve(start)
    server.ask("/")
    flask.write("new/__init__.py", "word = 'new one'\n")
    flask.write("app.py", "from new import word\n" + FLASK.replace('"one"', "word"))
    await_answer(server, b"new one")
    flask.write("new/__init__.py", "word = 'new two'\n")
    await_answer(server, b"new two")


def test_a_save_within_the_second_of_another_is_not_taken_for_it(start: Starter, flask: Project) -> None:
    flask.write("words.py", "word = 'w00'\n")
    flask.write("app.py", "from words import word\n" + FLASK.replace('"one"', "word"))
    server = flask.serve(start)
    await_answer(server, b"w00")
    # A compiled copy is valid by size and whole seconds: these are of one size, and of one time.
    now = os.stat(flask.root / "words.py").st_mtime
    for number in range(1, 4):
        flask.write("words.py", f"word = 'w{number:02}'\n")
        os.utime(flask.root / "words.py", (now, now))
        await_answer(server, f"w{number:02}".encode())
    assert any((flask.root / "__pycache__").glob("words.*.pyc")), "copies are written"


def test_a_broken_edit_is_imported_once(start: Starter, flask: Project) -> None:
    server = flask.serve(start)
    server.ask("/")
    flask.write("app.py", "print('an import', flush=True)\n1 / 0\n")
    await_true(lambda: "waiting for a change" in server.log(), "a failure")
    # The files are looked at every other second.
    time.sleep(2.5)
    assert server.log().count("an import") == 1
    assert reloads(server) == ["app.py"]


def test_an_import_that_writes_modules_comes_to_an_end(start: Starter, flask: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-generated"
    elsewhere.mkdir()
    flask.write(
        "app.py",
        "import importlib, os, sys, tempfile, time\n"
        # A new one each time, the same again, and one with the time in it.
        "new = tempfile.mkdtemp()\n"
        f"sys.path[:0] = [new, {str(elsewhere)!r}]\n"
        "open(os.path.join(new, 'quite_new.py'), 'w').write('1')\n"
        f"open({str(elsewhere / 'same_again.py')!r}, 'w').write('1')\n"
        "open('with_time.py', 'w').write(f'time = {time.time()}')\n"
        "import quite_new, same_again, with_time\n"
        "time.sleep(0.3)\n" + FLASK,
    )
    server = flask.serve(start)
    assert server.ask("/").body == b"one"
    server.wait_log("with_time.py changes with each import")
    before = len(reloads(server))
    assert set(reloads(server)) == {"with_time.py"}
    flask.edit("app.py", '"one"', '"two"')
    await_answer(server, b"two")
    assert reloads(server)[before:] == ["app.py"]


def test_what_an_import_lacks_starts_it_anew(start: Starter, flask: Project, tmp_path: Path) -> None:
    packages = tmp_path.parent / f"{tmp_path.name}-packages"
    packages.mkdir()
    flask.write(
        "app.py",
        f"import json, sys\nsys.path.append({str(packages)!r})\nword = json.load(open('config.json'))\nimport installed_later\n"
        + FLASK.replace('"one"', "word"),
    )
    server = flask.serve(start)
    await_true(lambda: server.log().count("waiting for a change") == 1, "a failure")
    flask.write("config.json", '"from a file"')
    await_true(lambda: server.log().count("waiting for a change") == 2, "another failure")
    (packages / "installed_later").mkdir()
    await_answer(server, b"from a file")
