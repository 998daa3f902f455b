"""Promise: with `monopod.contrib.django` installed `manage.py runserver` is Django's own in flags and messages, served by
monopod: static files live and past Python, and no request is refused while the project reloads."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from python_face import Program, get, needs_package, run
from server import await_true

pytestmark = needs_package

URLS = """
import os, threading, time
from django.http import HttpResponse
from django.urls import path

def index(request):
    return HttpResponse("first")

def facts(request):
    name = threading.current_thread().name
    return HttpResponse(f"{request.META['SERVER_SOFTWARE']} {request.META['wsgi.multithread']} {os.getpid()}")

def boom(request):
    raise LookupError("what was looked for")

urlpatterns = [path("", index), path("facts", facts), path("boom", boom)]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assert run("-m", "django", "startproject", "site1", ".", cwd=tmp_path).returncode == 0
    settings = tmp_path / "site1/settings.py"
    staticfiles = "'django.contrib.staticfiles',"
    text = settings.read_text().replace(staticfiles, f"'monopod.contrib.django', {staticfiles}")
    settings.write_text(text + "\nSTATICFILES_DIRS = [BASE_DIR / 'assets']\n")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/site.css").write_text("body { color: red }")
    (tmp_path / "site1/urls.py").write_text(URLS)
    return tmp_path


def runserver(project: Path, *args: str) -> Program:
    return Program("manage.py", "runserver", *args, cwd=project)


def test_it_speaks_as_djangos_own(project: Path, port: int) -> None:
    with runserver(project, str(port), "--noreload") as program:
        program.wait_for("Quit the server with CONTROL-C.")
        said = program.said()
        for text in (
            "Performing system checks...",
            "System check identified no issues (0 silenced).",
            "unapplied migration(s)",
            "using settings 'site1.settings'",
            f"Starting development server at http://127.0.0.1:{port}/",
        ):
            assert text in said, said
        url = f"http://127.0.0.1:{port}"
        assert get(url + "/") == (200, b"first")
        assert get(url + "/facts")[1].startswith(b"monopod/")
        status, page = get(url + "/boom")
        assert status == 500
        assert b"what was looked for" in page
        assert b"Traceback" in page
        assert get(url + "/missing?a=b")[0] == 404
        for line in ('"GET / HTTP/1.1" 200 5', '"GET /missing?a=b HTTP/1.1" 404 ', '"GET /boom HTTP/1.1" 500 '):
            assert program.wait_for(line).startswith("["), line
        assert "Internal Server Error: /boom" in program.said()
        program.process.send_signal(signal.SIGINT)
        assert program.exit_code() == 0


def test_static_files_are_live_and_past_python(project: Path, port: int) -> None:
    with runserver(project, str(port)) as program:
        program.wait_for("Quit the server")
        url = f"http://127.0.0.1:{port}/static/"
        assert get(url + "site.css") == (200, b"body { color: red }")
        (project / "assets/site.css").write_text("body { color: green }")
        (project / "assets/new.css").write_text("new")
        assert get(url + "site.css") == (200, b"body { color: green }")
        assert get(url + "new.css") == (200, b"new")
        assert get(url + "admin/css/base.css")[0] == 200
        status, page = get(url + "missing.css")
        # Django would have a page of its own for it, with DEBUG.
        assert status == 404
        assert b"Django" not in page


@pytest.mark.parametrize(
    ("options", "debug", "status"),
    [(["--nostatic"], True, 404), ([], False, 404), (["--insecure"], False, 200)],
)
def test_nostatic_and_insecure(project: Path, port: int, options: list[str], debug: bool, status: int) -> None:
    settings = project / "site1/settings.py"
    text = settings.read_text().replace("DEBUG = True", f"DEBUG = {debug}")
    settings.write_text(text.replace("ALLOWED_HOSTS = []", "ALLOWED_HOSTS = ['127.0.0.1']"))
    with runserver(project, str(port), "--noreload", *options) as program:
        program.wait_for("Quit the server")
        assert get(f"http://127.0.0.1:{port}/static/site.css")[0] == status
        assert get(f"http://127.0.0.1:{port}/")[0] == 200


def test_static_files_behind_a_wrapped_application(project: Path, port: int) -> None:
    (project / "site1/wrapped.py").write_text(
        "from site1.wsgi import application as inner\ndef application(environ, start):\n    return inner(environ, start)\n"
    )
    settings = project / "site1/settings.py"
    settings.write_text(settings.read_text().replace("site1.wsgi.application", "site1.wrapped.application"))
    with runserver(project, str(port), "--noreload") as program:
        program.wait_for("Quit the server")
        assert get(f"http://127.0.0.1:{port}/static/site.css")[0] == 200


def answer_of(url: str) -> bytes:
    status, body = get(url)
    assert status == 200
    return body


def test_requests_wait_while_the_project_reloads(project: Path, port: int) -> None:
    with runserver(project, str(port)) as program:
        program.wait_for("Quit the server")
        url = f"http://127.0.0.1:{port}/"
        first = get(url + "facts")[1]
        program.changes(project / "site1/urls.py", URLS.replace('"first"', '"second"'), "changed, reloading.")
        # By one process or the other; nobody is refused.
        await_true(lambda: answer_of(url) == b"second", "the new answer", 30)
        assert get(url + "facts")[1] != first, "another process"
        # What cannot be imported answers nobody until it is mended, and refuses nobody.
        program.changes(project / "site1/urls.py", "a mistake\n", "changed, reloading.")
        program.wait_for("SyntaxError")
        with socket.create_connection(("127.0.0.1", port), 5) as waiting:
            waiting.settimeout(60)
            waiting.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            program.changes(project / "site1/urls.py", URLS.replace('"first"', '"mended"'), "changed, reloading.")
            answer = b""
            while data := waiting.recv(4096):
                answer += data
        assert answer.endswith(b"mended")
        program.signal_all(signal.SIGINT)
        assert program.exit_code() == 0


def test_a_used_port_has_djangos_sentence(project: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        for options in ([], ["--noreload"]):
            ended = run("manage.py", "runserver", str(port), *options, cwd=project)
            assert (ended.returncode, "Error: That port is already in use." in ended.stderr) == (1, True), ended
    for options in ([], ["--noreload"]):
        ended = run("manage.py", "runserver", "192.0.2.1:8000", *options, cwd=project)
        assert (ended.returncode, "Error: That IP address can't be assigned to." in ended.stderr) == (1, True), ended
    for options in ([], ["--noreload"]):
        ended = run("manage.py", "runserver", "no-such-host.invalid:8000", *options, cwd=project)
        assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended
        assert ended.stderr.lstrip().startswith("Error: "), ended
    ended = run("manage.py", "runserver", "nonsense:x", cwd=project)
    assert ended.returncode == 1
    assert "is not a valid port number or address:port pair" in ended.stderr


def test_other_flags(project: Path, port: int) -> None:
    with runserver(project, f"0:{port}", "--nothreading", "--noreload", "--skip-checks") as program:
        program.wait_for(f"Starting development server at http://0.0.0.0:{port}/")
        assert "Performing system checks" not in program.said()
        assert b" False " in get(f"http://127.0.0.1:{port}/facts")[1]
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    with runserver(project, str(port), "--ipv6") as program:
        program.wait_for(f"Starting development server at http://[::1]:{port}/")
        assert get(f"http://[::1]:{port}/") == (200, b"first")


def test_a_failing_system_check_is_djangos_to_tell(project: Path, port: int) -> None:
    settings = project / "site1/settings.py"
    settings.write_text(settings.read_text() + "\nSTATICFILES_DIRS = 'assets'\n")
    ended = run("manage.py", "runserver", str(port), "--noreload", cwd=project)
    assert ended.returncode == 1
    assert "(staticfiles.E001)" in ended.stderr
