"""Promise: when the import fails the port goes on answering, with a page that says why, until the file is mended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from project import FLASK, HTML, Project, await_answer, children
from server import Face, Server, Starter, await_true, environment
from wire import Answer

WAITING = "waiting for a change"


@pytest.fixture
def flask(tmp_path: Path) -> Project:
    return Project(tmp_path, app=FLASK)


def fails(server: Server, times: int = 1) -> None:
    await_true(lambda: server.log().count(WAITING) >= times, "a failure")


def page(server: Server) -> str:
    answer = server.ask("/", headers=HTML)
    assert answer.status == 500
    assert answer.get("content-type") == "text/html; charset=utf-8"
    return answer.body.decode()


def field(answer: Answer, name: str) -> str:
    value = answer.get(name)
    assert value is not None, name
    return value


def test_a_syntax_error_is_shown_where_it_is_and_goes_with_the_mend(start: Starter, flask: Project) -> None:
    server = flask.serve(start)
    assert server.ask("/").body == b"one"
    flask.write("app.py", FLASK + "total = (1 +\n")
    fails(server)
    answer = server.ask("/anything", "POST", body=b"x" * 100_000)
    assert answer.status == 500
    text = answer.body.decode()
    assert f'File "{flask.root}/app.py", line 6' in text
    assert "    total = (1 +\n            ^\nSyntaxError: '(' was never closed" in text
    html = page(server)
    assert '<p class="kind">SyntaxError</p>\n<h1>&#39;(&#39; was never closed</h1>' in html
    assert '<p class="where">app.py, line 6</p>' in html
    assert '<span class="l here"><span class="n">6</span>total = <mark>(</mark>1 +' in html
    # The terminal has it as well.
    server.wait_log("SyntaxError: '(' was never closed")
    flask.write("app.py", FLASK)
    await_answer(server, b"one")


def test_a_failure_at_the_very_start_is_answered_too(start: Starter, flask: Project) -> None:
    flask.write("app.py", "import not_there_at_all\n" + FLASK)
    server = flask.serve(start)
    fails(server)
    assert b"No module named &#39;not_there_at_all&#39;" in server.ask("/", headers=HTML).body
    flask.write("not_there_at_all.py", "")
    await_answer(server, b"one")


def test_a_traceback_leads_through_the_files_of_the_project(start: Starter, flask: Project) -> None:
    flask.write("deep/__init__.py", "")
    flask.write(
        "deep/settings.py",
        "def port():\n    try:\n        return int('<b>x</b>')\n    except ValueError as error:\n        raise RuntimeError('no <i>port</i>') from error\n",
    )
    flask.write("app.py", "from deep.settings import port\nport()\n" + FLASK)
    server = flask.serve(start)
    fails(server)
    html = page(server)
    assert "<h1>no &lt;i&gt;port&lt;/i&gt;</h1>" in html
    assert "<i>" not in html
    assert "<b>" not in html
    places = re.findall(r'<span class="file">([^<]*)</span>', html)
    assert places == ["deep/settings.py, line 3", "app.py, line 2", "deep/settings.py, line 5"]
    assert "This was the direct cause of:" in html
    text = server.ask("/").body.decode()
    assert text.startswith("Traceback (most recent call last):\n")
    assert "importlib" not in text + html
    flask.edit("deep/settings.py", "int('<b>x</b>')", "1")
    await_answer(server, b"one")


def test_the_page_has_no_secrets(start: Starter, flask: Project) -> None:
    flask.write(".env", "FILE_TOKEN=value-of-a-file\nPLAIN=plainly seen\n")
    flask.write(
        "app.py",
        "import os\nSECRET_KEY = (\n    'in-the-source'\n)\nlocal = 'very' + 'local'\n"
        "names = 'FLAG_SECRET FILE_TOKEN SHELL_PASSWORD DATABASE PLAIN'.split()\n"
        "raise ValueError(' '.join(os.environ[name] for name in names), os.environ.get('MONOPOD_DEV_LINK', 'unset'))\n",
    )
    server = flask.serve(
        start,
        "--env",
        "FLAG_SECRET=value-of-a-flag",
        env={"SHELL_PASSWORD": "value-of-the-shell", "DATABASE": "postgres://me:value-in-a-url@db/shop"},
    )
    fails(server)
    server.wait_log("value-of-a-flag value-of-a-file value-of-the-shell postgres://me:value-in-a-url@db/shop")

    def told() -> str:
        return page(server) + server.ask("/").body.decode()

    for text in ("value-of-", "value-in-", "in-the-source", "verylocal", os.environ["PATH"]):
        assert text not in told(), text
    for text in ("unset", "plainly seen", "postgres://me:••••••@db/shop"):
        assert text in told(), text
    # One that came into the file while it runs.
    flask.write(".env", "FILE_TOKEN=other-of-a-file\nPLAIN=plainly seen\n")
    fails(server, 2)
    server.wait_log("other-of-a-file")
    assert "other-of-a-file" not in told()
    assert "plainly seen" in told()


def test_the_page_is_sealed_and_waits_for_its_end(start: Starter, flask: Project) -> None:
    flask.write("app.py", "1 / 0\n")
    server = flask.serve(start)
    fails(server)
    answer = server.ask("/", headers=HTML)
    policy = field(answer, "content-security-policy")
    [nonce] = set(re.findall(r"'nonce-(\w+)'", policy))
    assert "default-src 'none'" in policy
    assert answer.body.count(f'nonce="{nonce}"'.encode()) == 2
    assert field(answer, "cache-control") == "no-store"
    assert b"src=" not in answer.body
    failure = field(answer, "x-monopod-failure")
    with server.connect() as waits:
        waits.request("/", "HEAD", (("X-Monopod-Failure", failure),))
        flask.write("app.py", "2 / 0\n")
        other = waits.answer()
    assert other.status == 500
    assert field(other, "x-monopod-failure") != failure
    with server.connect() as waits:
        waits.request("/", "HEAD", (("X-Monopod-Failure", field(other, "x-monopod-failure")),))
        flask.write("app.py", FLASK)
        mended = waits.answer()
    assert mended.status == 204
    assert mended.get("x-monopod-failure") is None
    assert server.ask("/").body == b"one"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("os._exit(3)", "ended with exit status 3"),
        ("ctypes.string_at(0)", "was ended by signal 11 (SIGSEGV"),
    ],
)
def test_a_process_that_ends_by_itself_is_told_of(start: Starter, flask: Project, end: str, told: str) -> None:
    flask.write("app.py", FLASK + f'@app.get("/end")\ndef end():\n    import ctypes, os\n    {end}\n')
    server = flask.serve(start)
    server.ask("/")
    with server.connect() as client:
        client.request("/end")
        fails(server)
    assert told in page(server)
    assert told.encode() in server.ask("/").body
    # A touch is enough, as there is nothing to mend.
    os.utime(flask.root / "app.py")
    await_answer(server, b"one")


def test_a_wrong_setting_is_told_of_and_mended(start: Starter, flask: Project) -> None:
    server = flask.serve(start)
    server.ask("/")
    flask.write("monopod.toml", "thread = 1\n")
    fails(server)
    assert b"`thread` in monopod.toml is not a setting; did you mean `threads`?" in server.ask("/").body
    flask.write("monopod.toml", "threads = 1\n")
    await_answer(server, b"one")


def test_no_application_at_all(start: Starter, tmp_path: Path) -> None:
    project = Project(tmp_path)
    server = project.serve(start)
    fails(server)
    assert b"no application found in" in server.ask("/").body
    project.write("app.py", FLASK)
    await_answer(server, b"one")


def test_a_hanging_import_is_replaced_by_its_mend(start: Starter, flask: Project) -> None:
    flask.write("app.py", "print('hangs', flush=True)\nimport time\ntime.sleep(1000)\n")
    server = flask.serve(start)
    server.wait_log("hangs")
    with server.connect() as client:
        client.request("/")
        flask.write("app.py", FLASK)
        # It has waited in the backlog.
        assert client.answer().body == b"one"
    [child] = children(server.pid)
    os.kill(child, signal.SIGKILL)
    fails(server)
    assert b"SIGKILL" in server.ask("/").body


def test_a_connection_from_before_the_mend_leads_to_the_application(start: Starter, flask: Project) -> None:
    """Browsers keep one in reserve: a page that is fetched by it is to be the application's."""
    flask.write("app.py", "1 / 0\n")
    server = flask.serve(start)
    fails(server)
    with server.connect() as reserve, server.connect() as other:
        # Taken by now, as one that came later is answered.
        assert server.ask("/").status == 500
        flask.write("app.py", FLASK)
        await_answer(server, b"one")
        reserve.request("/orders?page=2", "POST", body=b"x" * 100)
        answer = reserve.answer()
        other.request("//elsewhere.example/")
        assert other.answer().get("location") == "/.//elsewhere.example/"
    assert answer.status == 307
    assert answer.get("location") == "/orders?page=2"
    assert answer.get("connection") == "close"


@pytest.mark.parametrize(
    ("host", "is_shown"),
    [
        ("localhost", True),
        ("shop.localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.168.0.7", True),
        ("rebound.example", False),
        ("localhost.example:8000", False),
    ],
)
def test_a_name_of_somebody_elses_is_shown_no_source(start: Starter, flask: Project, host: str, is_shown: bool) -> None:
    """A web page whose name leads here by now may ask (DNS rebinding)."""
    flask.write("app.py", "1 / 0\n")
    server = flask.serve(start)
    fails(server)
    for headers in (), HTML:
        with server.connect() as client:
            client.request("/", headers=headers, host=host)
            answer = client.answer()
        assert answer.status == 500
        assert (b"1 / 0" in answer.body) == is_shown, answer.body
        assert answer.get("x-monopod-failure") is not None


def test_words_that_go_to_a_file_of_the_project_are_no_change_of_it(face: Face, flask: Project) -> None:
    """As with `nohup monopod dev &`, whose words are in nohup.out."""
    flask.write("app.py", "1 / 0\n")
    out = flask.root / "nohup.out"
    with out.open("wb") as file:
        command = face.command("dev", "--bind", "127.0.0.1:0")
        server = subprocess.Popen(command, cwd=flask.root, env=environment(), stdout=file, stderr=file)
    try:
        await_true(lambda: WAITING in out.read_text(), "a failure")
        # Long enough for several starts, if it were one.
        time.sleep(1.5)
        assert out.read_text().count(WAITING) == 1
        flask.write("app.py", FLASK)
        await_true(lambda: "app:app, ready after" in out.read_text(), "the mend")
    finally:
        server.terminate()
        server.wait(20)
