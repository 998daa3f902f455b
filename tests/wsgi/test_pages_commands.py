"""Promise: every command that README.md and the pages on static files, troubleshooting, logging and the admin port show
does what the page says; but for those of docker and kubectl, which have tests of their own."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from project import FLASK, HTML, start_django
from server import Face, Starter, environment

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, kind: str) -> list[str]:
    return [text for found, text in FENCE.findall((ROOT / page).read_text()) if found == kind]


def commands(page: str) -> list[str]:
    """The commands of a page, without what a shell would take for a comment."""
    lines = [line for text in blocks(page, "console") for line in text.splitlines() if line.startswith("$ ")]
    return [shlex.join(shlex.split(line.removeprefix("$ "), comments=True)) for line in lines]


def words(command: str) -> list[str]:
    """Those behind `monopod`."""
    program, *rest = shlex.split(command)
    assert program == "monopod", command
    return rest


def test_these_are_all() -> None:
    """A command that is added to a page is one to run here."""
    assert commands("README.md") == [
        "make run",
        "make test",
        "make wheel",
        "pip install '$(ls -t target/wheels/*.whl | head -n 1)'",
        "monopod",
        "python manage.py collectstatic --no-input",
        "monopod compress path/to/static-root",
        "monopod",
        "monopod dev",
        "monopod explain gunicorn.conf.py nginx.conf",
    ]
    assert commands("docs/static-files.md") == [
        "monopod --static-root frontend/dist --spa",
        "monopod --static /static=static --media /media=media",
        "monopod --accel /protected=/srv/documents",
    ]
    assert commands("docs/troubleshooting.md") == ["monopod check", "monopod healthcheck"]
    assert [words(command)[:2] for command in commands("docs/logging.md")] == [
        ["app:application", "--access-logformat"]
    ] * 2
    assert commands("docs/admin-port.md") == [
        "kubectl port-forward deployment/web 9191",
        "curl -s localhost:9191/-/status.json '|' python3 -m json.tool",
    ]


def test_what_is_not_there_yet_is_not(face: Face) -> None:
    """Neither a command of monopod's, nor an integration that a page tells of."""
    status = (ROOT / "README.md").read_text().partition("\n## Status\n")[2].partition("\n## ")[0]
    known = (ROOT / "docs/known-issues.md").read_text().partition("\n## Not there\n")[2].partition("\n## ")[0]
    assert "not there yet" in status
    assert "TLS" in known
    listed = re.findall(r"^  (\w+)  ", face.run("-h").stdout.partition("Commands:\n")[2], re.MULTILINE)
    assert {"serve", "dev", "explain"} < set(listed)
    there = [f"`monopod {command}" for command in listed] + ["`runserver`", "`flask`"]
    assert [words for words in there if words in status + known] == []


def test_make_has_the_words_of_the_readme() -> None:
    for command in commands("README.md"):
        if command.startswith("make "):
            ended = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
            assert ended.returncode == 0, ended
    # The wheel is where the next command looks for it.
    told = subprocess.run(["make", "-n", "wheel"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "target/wheels" in told.stdout


def test_the_flask_application_of_the_readme(start: Starter, tmp_path: Path) -> None:
    (code,) = [text for text in blocks("README.md", "python") if "Flask(" in text]
    (tmp_path / "app.py").write_text(code)
    (tmp_path / "static").mkdir()
    (tmp_path / "static/a.css").write_text("a {}")
    for command in ("monopod", "monopod dev"):
        assert command in commands("README.md")
        server = start(None, cwd=tmp_path, subcommand=(words(command) or [None])[0])
        assert json.loads(server.ask("/").body) == {"hello": "world"}
        assert server.ask("/static/a.css").body == b"a {}"


def test_the_steps_for_django_of_the_readme(face: Face, start: Starter, tmp_path: Path) -> None:
    project = start_django(tmp_path / "shop")
    settings = project.root / "shop/settings.py"
    text = settings.read_text().replace("DEBUG = True", "DEBUG = False")
    # Behind what was there, as the last counts.
    settings.write_text(f"{text}\nALLOWED_HOSTS = ['*']\nSTATIC_ROOT = BASE_DIR / 'path/to/static-root'\n")
    _, collect, compress, serve = commands("README.md")[4:8]
    program, *rest = shlex.split(collect)
    assert program == "python"
    command = [sys.executable, *rest]
    subprocess.run(command, cwd=project.root, env=environment(), check=True, capture_output=True, timeout=60)
    ended = face.run(*words(compress), cwd=project.root, timeout=120)
    assert ended.returncode == 0, ended
    server = start(*(words(serve) or [None]), cwd=project.root, subcommand=None)
    answer = server.ask("/static/admin/css/base.css", headers=[("Accept-Encoding", "br")])
    assert (answer.status, answer.get("content-encoding")) == (200, "br")


def test_what_the_readme_explains(face: Face, tmp_path: Path) -> None:
    for name in ("gunicorn.conf.py", "nginx.conf"):
        shutil.copy(ROOT / "examples/migrating/before" / name, tmp_path)
    (command,) = [command for command in commands("README.md") if "explain" in command]
    subcommand, *rest = words(command)
    ended = face.run(subcommand, *rest, cwd=tmp_path)
    assert (ended.returncode, ended.stdout.startswith("monopod ")) == (0, True), ended


def test_the_server_as_a_value_of_the_readme() -> None:
    """What it is made of is there; docs/python-api.md is run whole (test_pages_python.py)."""
    (code,) = [text for text in blocks("README.md", "python") if "Flask(" not in text]
    compile(code, "README.md", "exec")
    stub = (ROOT / "python/monopod/_monopod.pyi").read_text() + (ROOT / "python/monopod/__init__.py").read_text()
    for name in re.findall(r"(?:monopod|server)\.(\w+)", code):
        assert name in stub, name


def test_the_image_of_the_readme_is_that_of_its_page() -> None:
    (code,) = blocks("README.md", "dockerfile")
    lines = (ROOT / "docs/image.md").read_text().splitlines()
    assert [line for line in code.splitlines() if line not in lines] == []


def test_a_single_page_application(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FLASK)
    (tmp_path / "frontend/dist").mkdir(parents=True)
    (tmp_path / "frontend/dist/index.html").write_text("the page")
    server = start(None, *words(commands("docs/static-files.md")[0]), cwd=tmp_path, subcommand=None)
    assert server.ask("/some/where", headers=HTML).body == b"the page"
    assert server.ask("/some/where").status == 404


def test_files_that_come_and_go(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FLASK)
    for name in ("static", "media"):
        (tmp_path / name).mkdir()
    (tmp_path / "static/a.css").write_text("a {}")
    server = start(None, *words(commands("docs/static-files.md")[1]), cwd=tmp_path, subcommand=None)
    (tmp_path / "media/late.txt").write_text("late")
    assert server.ask("/static/a.css").body == b"a {}"
    assert server.ask("/media/late.txt").body == b"late"


def test_files_that_the_application_protects(start: Starter, tmp_path: Path) -> None:
    pages = [text for text in blocks("docs/static-files.md", "python") if "USE_X_SENDFILE" in text]
    (code,) = [text.replace("@login_required\n", "") for text in pages]
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "a.txt").write_text("mine")
    preamble = "from flask import Flask, send_from_directory\napp = Flask(__name__)\n"
    (tmp_path / "app.py").write_text(preamble + code.replace("/srv/documents", str(documents)))
    accel = [word.replace("/srv/documents", str(documents)) for word in words(commands("docs/static-files.md")[2])]
    server = start(None, *accel, cwd=tmp_path, subcommand=None)
    answer = server.ask("/documents/a.txt")
    assert (answer.status, answer.body) == (200, b"mine")
    assert answer.get("x-sendfile") is None
    assert server.ask("/protected/a.txt").status == 404


def test_troubleshooting(face: Face, start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FLASK)
    check, healthcheck = commands("docs/troubleshooting.md")
    ended = face.run(*words(check), cwd=tmp_path)
    assert (ended.returncode, "application  app:app" in ended.stdout) == (0, True), ended
    # Both are told by the environment where they meet, as the page's pod does.
    start(None, cwd=tmp_path, bind=("unix:here",), env=(meet := {"MONOPOD_HEALTH_PATH": "/up"}))
    ended = face.run(*words(healthcheck), cwd=tmp_path, env={**meet, "MONOPOD_BIND": "unix:here"})
    assert (ended.returncode, ended.stdout) == (0, "ready\n"), ended


def test_access_logs_in_formats_of_ones_own(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FLASK.replace("app = ", "app = application = "))
    combined, as_json = (words(command) for command in commands("docs/logging.md"))
    server = start(*combined, cwd=tmp_path)
    server.ask("/", headers=[("User-Agent", "curious")])
    line = server.wait_log("GET / HTTP/1.1")
    assert re.search(r'127\.0\.0\.1 - \S+ \[.*\] "GET / HTTP/1\.1" 200 3 "-" "curious"$', line.rstrip()), line
    server = start(*as_json, cwd=tmp_path)
    server.ask("/", headers=[("X-Request-Id", "known-by-this")])
    line = server.wait_log('"path": "/"')
    record = json.loads(line[line.index("{") :])
    assert record.pop("us") > 0
    assert record == {"status": 200, "path": "/", "id": "known-by-this"}


def test_the_admin_ports_page_asks_for_what_is_there(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FLASK)
    (port, path) = re.findall(r"localhost:(\d+)(/\S*)", " ".join(commands("docs/admin-port.md")))[0]
    assert f"in a container 0.0.0.0:{port} |" in (ROOT / "docs/configuration.md").read_text()
    server = start(None, "--admin-bind", "127.0.0.1:0", cwd=tmp_path)
    answer = server.ask_admin(path)
    assert (answer.status, json.loads(answer.body)["phase"]) == (200, "ready")


@pytest.mark.parametrize("page", ["README.md", "docs/static-files.md", "docs/troubleshooting.md", "docs/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    assert links
    for link in links:
        assert ((ROOT / page).parent / link).exists(), link
