"""Promise: `flask monopod` serves what `flask run` would, with its options; with `--debug` it reloads, the port stays open
meanwhile, and Werkzeug's debugger shows what went wrong."""

from __future__ import annotations

import re
import signal
import socket
import textwrap
import time
from pathlib import Path

import pytest

from python_face import Program, get, needs_package, run
from server import await_true

pytestmark = needs_package

APP = """
    from flask import Flask

    def create_app(name="a factory"):
        app = Flask(__name__)

        @app.route("/")
        def index():
            return f"{name}, debug {app.debug}"

        @app.route("/boom")
        def boom():
            raise LookupError("what was looked for")

        return app

    app = create_app("the application")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    (tmp_path / "static").mkdir()
    (tmp_path / "static/a.txt").write_text("static")
    return tmp_path


def url_of(program: Program) -> str:
    found = re.search(r"http://[\d.:]+", program.wait_for("listening on "))
    assert found
    return found[0]


def test_it_serves_what_the_command_has_found(project: Path) -> None:
    for arguments, expected in [
        ((), b"the application, debug False"),
        (("--app", "app:create_app('called')"), b"called, debug False"),
    ]:
        with Program("-m", "flask", *arguments, "monopod", "--port", "0", "--threads", "2", cwd=project) as program:
            url = url_of(program)
            assert "Debug mode: off" in program.said()
            assert "threads=2" in program.said()
            assert get(url + "/") == (200, expected)
            assert get(url + "/static/a.txt") == (200, b"static")
            # Flask would send it as well.
            assert "static=/static/" in program.said()
            program.signal_all(signal.SIGTERM)
            assert program.exit_code() == 0


def test_it_speaks_also_where_the_application_has_configured_logging(project: Path) -> None:
    configured = """
        import logging.config
        logging.getLogger("monopod")
        logging.config.dictConfig({
            "version": 1,
            "handlers": {"file": {"class": "logging.FileHandler", "filename": "app.log"}},
            "root": {"handlers": ["file"], "level": "WARNING"},
        })
    """
    (project / "app.py").write_text(textwrap.dedent(configured) + textwrap.dedent(APP))
    with Program("-m", "flask", "monopod", "--port", "0", cwd=project) as program:
        get(url_of(program) + "/")
        program.wait_for('"GET / HTTP/1.1" 200')


def test_where_it_listens_is_said_as_to_flask_run(project: Path, port: int) -> None:
    with Program("-m", "flask", "monopod", cwd=project, env={"FLASK_RUN_PORT": str(port)}) as program:
        assert url_of(program).endswith(f":{port}")
    for debug in ([], ["--debug"]):
        path = project / f"socket{len(debug)}"
        with Program("-m", "flask", "monopod", *debug, "-h", f"unix://{path}", cwd=project) as program:
            program.wait_for(f"listening on unix:{path}")
            assert path.is_socket()
    for options, sentence in [
        (["--cert", "adhoc"], "monopod does not speak TLS"),
        (["--without-threads"], "say how many by --threads"),
        (["--port", "65536"], "0<=x<=65535"),
    ]:
        ended = run("-m", "flask", "monopod", *options, cwd=project)
        assert (ended.returncode, sentence in ended.stderr) == (2, True), ended


def test_ctrl_c_in_debug_mode_waits_for_no_request(project: Path) -> None:
    slow = """
    @app.route("/slow")
    def slow():
        import time
        print("slow began", flush=True)
        time.sleep(60)
    """
    (project / "app.py").write_text(textwrap.dedent(APP) + textwrap.dedent(slow))
    with Program("-m", "flask", "monopod", "--debug", "--no-reload", "--port", "0", cwd=project) as program:
        code = f"import urllib.request as r; r.urlopen('{url_of(program)}/slow')"
        with Program("-c", code, cwd=project):
            program.wait_for("slow began")
            began = time.monotonic()
            program.signal_all(signal.SIGINT)
            program.exit_code()
            assert time.monotonic() - began < 15, "graceful_timeout is 25 s"


def test_a_used_port_and_a_wrong_option_are_told(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        for debug in ([], ["--debug"]):
            ended = run("-m", "flask", "monopod", "--port", number, *debug, cwd=project)
            assert (ended.returncode, "in use" in ended.stderr) == (1, True), ended
    assert "Run the application with monopod" in run("-m", "flask", "--help", cwd=project).stdout
    assert run("-m", "flask", "monopod", "--threads", "0", cwd=project).returncode == 2


def test_debug_reloads_while_requests_wait(project: Path, port: int) -> None:
    with Program("-m", "flask", "monopod", "--debug", "--port", str(port), cwd=project) as program:
        url = url_of(program)
        assert "static=/static/" in program.said()
        assert get(url + "/") == (200, b"the application, debug True")
        status, page = get(url + "/boom")
        assert status == 500
        assert b"what was looked for" in page
        assert b"Werkzeug" in page
        program.changes(
            project / "app.py", textwrap.dedent(APP).replace("the application", "another one"), "Detected change"
        )
        # By one process or the other; nobody is refused.
        await_true(lambda: get(url + "/") == (200, b"another one, debug True"), "the new answer", 30)
        program.changes(project / "app.py", "a mistake\n", "Detected change")
        await_true(lambda: get(url + "/")[0] == 500, "the mistake is told", 30)
        status, page = get(url + "/")
        assert status == 500
        assert b"SyntaxError" in page
        program.changes(
            project / "app.py", textwrap.dedent(APP).replace("the application", "mended"), "Detected change"
        )
        await_true(lambda: get(url + "/") == (200, b"mended, debug True"), "it is mended", 30)
        program.signal_all(signal.SIGINT)
        program.exit_code()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)


def test_the_debugger_can_be_left_out(project: Path) -> None:
    options = ("--debug", "--no-reload", "--no-debugger", "--port", "0")
    with Program("-m", "flask", "monopod", *options, cwd=project) as program:
        status, page = get(url_of(program) + "/boom")
        assert status == 500
        assert b"what was looked for" not in page
        program.wait_for("LookupError: what was looked for")
