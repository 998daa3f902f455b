"""Promise: what docs/python-api.md, docs/django.md and docs/flask.md show runs: every program, and every command."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import sys
from pathlib import Path

import pytest

from python_face import Program, get, needs_package, run

pytestmark = needs_package

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The files that a page shows, and its commands with what they print."""
    files, commands = {}, []
    for kind, file, text in FENCE.findall((DOCS / name).read_text()):
        if kind == "python":
            assert file, f"name the file behind ```python in {name}"
            files[file] = text
        elif kind == "console":
            for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                line, _, output = command.partition("\n")
                commands.append((line, output))
    return files, commands


def arguments(command: str) -> list[str]:
    """A command as the tests' Python runs it."""
    program, *rest = shlex.split(command)
    if program == "python":
        return rest
    script = Path(sys.executable).with_name(program)
    return [str(script), *rest]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def serves(command: str, cwd: Path, path: str = "/", env: dict[str, str] | None = None) -> bytes:
    """What a command that goes on answers; on a port of its own, as those of the pages may be taken."""
    port = str(free_port())
    words = arguments(command)
    if words[0].endswith("monopod"):
        words += ["--bind", f"127.0.0.1:{port}"]
    elif "flask" in words[0]:
        words += ["--port", port]
    else:
        # The address of `runserver`, of which there is at most one.
        words = [word for word in words if not word.startswith("0:")]
        words.insert(2, port)
    with Program(*words, cwd=cwd, env=env) as program:
        program.wait_for("Quit the server" if "runserver" in words else "listening on ")
        status, body = get(f"http://127.0.0.1:{port}{path}")
        assert status == 200, program.said()
        program.signal_all(signal.SIGINT)
        program.exit_code()
    return body


def test_the_python_api(tmp_path: Path) -> None:
    files, commands = page("python-api.md")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    port = free_port()
    (tmp_path / "script.py").write_text(files["script.py"].replace(":8000", f":{port}"))
    for command, output in commands:
        words = arguments(command)
        if words == ["script.py"]:
            with Program(*words, cwd=tmp_path) as program:
                program.wait_for("listening on ")
                assert get(f"http://127.0.0.1:{port}/") == (200, b"hello")
                program.signal_all(signal.SIGINT)
                assert program.exit_code() == 0
                assert "here the program goes on" in program.said()
        else:
            ended = run(*words, cwd=tmp_path)
            assert ended.returncode == 0, ended
            assert output.strip() in ended.stdout, ended
    assert len(commands) == 3


def test_django(tmp_path: Path) -> None:
    files, commands = page("django.md")
    assert run("-m", "django", "startproject", "site1", ".", cwd=tmp_path).returncode == 0
    settings = tmp_path / "site1/settings.py"
    settings.write_text(settings.read_text() + files["settings.py"])
    (tmp_path / "site1/urls.py").write_text(
        "from django.http import HttpResponse\nfrom django.urls import path\n"
        "urlpatterns = [path('', lambda request: HttpResponse(request.scheme))]\n"
    )
    development = [command for command, _ in commands if "runserver" in command]
    for command in development:
        assert serves(command, tmp_path) == b"http"
    # As it was written, but for the name that these tests come by.
    settings.write_text(settings.read_text() + files["production.py"] + "ALLOWED_HOSTS += ['127.0.0.1']\n")
    check, collect, command = [command for command, _ in commands if command not in development]
    checked = run(*arguments(check), cwd=tmp_path)
    assert (checked.returncode, "monopod.W002" in checked.stderr) == (0, True), "no proxy is trusted here"
    assert run(*arguments(collect), cwd=tmp_path).returncode == 0
    trusted = run(*arguments(check), cwd=tmp_path, env={"FORWARDED_ALLOW_IPS": "private"})
    assert "monopod." not in trusted.stderr, trusted.stderr
    # A proxy would say https; without one the page is the redirect to it.
    settings.write_text(settings.read_text() + "SECURE_SSL_REDIRECT = False\n")
    assert serves(command, tmp_path) == b"http"
    (css,) = (tmp_path / "collected/admin/css").glob("base.*.css")
    assert serves(command, tmp_path, f"/static/admin/css/{css.name}") == css.read_bytes()
    assert css.with_name(css.name + ".br").exists()


def test_flask(tmp_path: Path) -> None:
    files, commands = page("flask.md")
    (tmp_path / "app.py").write_text(files["app.py"])
    for command, _ in commands:
        assert b'"hello"' in serves(command, tmp_path)
    assert len(commands) == 4


@pytest.mark.parametrize("name", ["python-api.md", "django.md", "flask.md"])
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", (DOCS / name).read_text())
    assert links
    for link in links:
        assert (DOCS / link).exists(), link


def test_every_check_is_in_the_page() -> None:
    code = (DOCS.parent / "python/monopod/contrib/django/checks.py").read_text()
    ids = set(re.findall(r'id="(monopod\.\w+)"', code))
    assert ids == set(re.findall(r"^\| (monopod\.\w+) \|", (DOCS / "django.md").read_text(), re.MULTILINE))


def test_every_option_has_a_type() -> None:
    from monopod import _monopod, annotations

    assert set(_monopod.options()) - {"bind"} == set(annotations.Options.__annotations__)
