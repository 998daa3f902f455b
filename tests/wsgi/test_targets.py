"""Promise: every form of TARGET serves, and without one Django and Flask are found by themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server import Face, Starter

WSGI = """
def {name}(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{answer}"]
"""
FLASK = """
from flask import Flask
{name} = Flask(__name__)
@{name}.get("/")
def index():
    return "{answer}"
"""
NAMED_FACTORY = """
from flask import Flask


def make(answer):
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: answer)
    return app
"""
FLASK_FACTORY = """
from flask import Flask
def create_app():
    app = Flask(__name__)
    @app.get("/")
    def index():
        return "factory"
    return app
"""
SETTINGS = """
SECRET_KEY = "not one"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "pages"
WSGI_APPLICATION = "site_wsgi.application"
STATIC_URL = "/static/"
"""
PAGES = """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("django"))]
"""
SITE_WSGI = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""
MANAGE = """
import os
import sys
def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
if __name__ == "__main__":
    main()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with an application in every place a target can name."""

    def write(path: str, text: str) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write("plain.py", WSGI.format(name="site", answer="site"))
    write("both.py", WSGI.format(name="app", answer="app") + WSGI.format(name="application", answer="application"))
    write("only_app.py", WSGI.format(name="app", answer="only app"))
    write("made.py", WSGI.format(name="site", answer="made") + "def create_app():\n    return site\n")
    write("held.py", WSGI.format(name="site", answer="held") + "class holder:\n    inner = staticmethod(site)\n")
    write("package/__init__.py", "")
    write("package/sub/__init__.py", "")
    write("package/sub/wsgi.py", "from ..own import application\n")
    write("package/own.py", WSGI.format(name="application", answer="package"))
    write("scripts/neighbour.py", "ANSWER = 'neighbour'\n")
    write("scripts/tool.py", "import neighbour\n" + WSGI.format(name="application", answer="script"))
    write("scripts/named.py", WSGI.format(name="other", answer="named"))
    return tmp_path


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("plain:site", "site"),
        ("made:create_app()", "made"),
        ("both", "application"),
        ("only_app", "only app"),
        ("held:holder.inner", "held"),
        ("package.sub.wsgi", "package"),
        ("package.sub.wsgi:application", "package"),
        ("package/sub/wsgi.py", "package"),
        ("scripts/tool.py", "script"),
        ("./scripts/tool.py", "script"),
        ("scripts/named.py:other", "named"),
    ],
)
def test_target(start: Starter, project: Path, target: str, answer: str) -> None:
    server = start(target, cwd=project)
    assert server.ask().body.decode() == answer
    assert f"pid={server.pid}" in server.ready_line
    assert "app=" in server.ready_line
    assert "threads=" in server.ready_line


def test_serve_need_not_be_said(start: Starter, project: Path) -> None:
    assert start("plain:site", cwd=project, subcommand=None).ask().body == b"site"


def test_an_absolute_path_from_elsewhere(
    start: Starter, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert start(str(project / "scripts/tool.py"), cwd=elsewhere).ask().body == b"script"


def test_chdir_comes_before_the_import(start: Starter, project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    where = 'import os\ndef app(e, s):\n    s("200 OK", [])\n    return [os.getcwd().encode()]\n'
    (project / "where.py").write_text(where)
    server = start("where:app", "--chdir", os.path.relpath(project, elsewhere), cwd=elsewhere)
    assert server.ask().body.decode() == str(project.resolve())


@pytest.mark.parametrize(
    ("files", "env", "answer"),
    [
        ({"app.py": FLASK.format(name="app", answer="app.py")}, {}, "app.py"),
        ({"wsgi.py": FLASK.format(name="app", answer="wsgi.py")}, {}, "wsgi.py"),
        ({"wsgi.py": WSGI.format(name="application", answer="plain wsgi.py")}, {}, "plain wsgi.py"),
        ({"app.py": FLASK_FACTORY}, {}, "factory"),
        ({"hello.py": FLASK.format(name="app", answer="FLASK_APP")}, {"FLASK_APP": "hello"}, "FLASK_APP"),
        ({"hello.py": FLASK.format(name="site", answer="named")}, {"FLASK_APP": "hello:site"}, "named"),
        ({"hello.py": FLASK.format(name="app", answer="file")}, {"FLASK_APP": "hello.py"}, "file"),
        ({"hello.py": FLASK_FACTORY}, {"FLASK_APP": "hello:create_app()"}, "factory"),
        ({"hello.py": FLASK_FACTORY}, {"FLASK_APP": "hello:create_app"}, "factory"),
        ({"hello.py": NAMED_FACTORY}, {"FLASK_APP": "hello:make('told')"}, "told"),
        ({"app.py": FLASK.format(name="site", answer="only")}, {}, "only"),
        ({"hello.py": FLASK.format(name="site", answer="only")}, {"FLASK_APP": "hello"}, "only"),
        ({"hello.py": WSGI.format(name="application", answer="not Flask's")}, {"FLASK_APP": "hello"}, "not Flask's"),
    ],
    ids=[
        "app.py",
        "wsgi.py",
        "plain",
        "factory",
        "module",
        "module:name",
        "file",
        "module:factory()",
        "module:factory",
        "module:factory(argument)",
        "only",
        "module with only",
        "module of another framework",
    ],
)
def test_flask_is_found(
    start: Starter, tmp_path: Path, files: dict[str, str], env: dict[str, str], answer: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert start(None, cwd=tmp_path, env=env).ask().body.decode() == answer


def test_what_flask_does_not_find_is_said_in_its_words(face: Face, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(NAMED_FACTORY)
    ended = face.run("check", cwd=tmp_path, env={"FLASK_APP": "hello:mak"})
    assert ended.returncode == 70
    assert "FLASK_APP=hello:mak: Failed to find attribute 'mak' in 'hello'" in ended.stderr


@pytest.mark.parametrize("by", ["manage.py", "DJANGO_SETTINGS_MODULE"])
def test_django_is_found(start: Starter, tmp_path: Path, by: str) -> None:
    for name, text in [("site_settings.py", SETTINGS), ("pages.py", PAGES), ("site_wsgi.py", SITE_WSGI)]:
        (tmp_path / name).write_text(text)
    env = {}
    if by == "manage.py":
        (tmp_path / "manage.py").write_text(MANAGE)
    else:
        env["DJANGO_SETTINGS_MODULE"] = "site_settings"
    assert start(None, cwd=tmp_path, env=env).ask().body == b"django"


def test_django_without_wsgi_application_is_found(start: Starter, tmp_path: Path) -> None:
    settings = SETTINGS.replace('WSGI_APPLICATION = "site_wsgi.application"\n', "")
    for name, text in [("site_settings.py", settings), ("pages.py", PAGES)]:
        (tmp_path / name).write_text(text)
    server = start(None, cwd=tmp_path, env={"DJANGO_SETTINGS_MODULE": "site_settings"})
    assert server.ask().body == b"django"
