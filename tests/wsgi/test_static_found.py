"""Promise: Flask's static folder and Django's STATIC_ROOT are served without being named, and WhiteNoise's settings hold."""

from __future__ import annotations

from pathlib import Path

from gate import Gate
from server import Server, Starter

FLASK = """
import socket
from flask import Flask, request
app = Flask(__name__{options})
@app.get("/busy")
def busy():
    with socket.create_connection(("127.0.0.1", int(request.args["gate"]))) as sock:
        sock.sendall(b"busy\\n")
        sock.recv(1)
    return "was busy"
"""


def test_flask(start: Starter, tmp_path: Path, gate: Gate) -> None:
    """Served while the only Python thread is busy, so not by Flask."""
    (tmp_path / "app.py").write_text(FLASK.format(options=""))
    (tmp_path / "static").mkdir()
    (tmp_path / "static/site.css").write_text("body {}")
    server = start(None, "--threads", "1", cwd=tmp_path)
    with server.connect() as client:
        client.request(f"/busy?gate={gate.port}")
        visitor = gate.wait("busy")
        assert server.ask("/static/site.css").body == b"body {}"
        visitor.let_through()
        assert client.answer().body == b"was busy"


def test_flask_with_names_of_its_own(start: Starter, tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "app.py").write_text(FLASK.format(options=', static_folder="assets/built", static_url_path="/files"'))
    (tmp_path / "assets/built").mkdir(parents=True)
    (tmp_path / "assets/built/site.css").write_text("body {}")
    server = start(None, "--threads", "1", cwd=tmp_path)
    with server.connect() as client:
        client.request(f"/busy?gate={gate.port}")
        visitor = gate.wait("busy")
        assert server.ask("/files/site.css").body == b"body {}"
        visitor.let_through()


def test_flask_without_a_static_folder(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FLASK.format(options=", static_folder=None"))
    assert start(None, cwd=tmp_path).ask("/static/site.css").status == 404


def test_a_named_mount_beats_the_found_one(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FLASK.format(options=""))
    for name in ("static", "built"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "site.css").write_text(name)
    server = start(None, "--static", "/static=built", cwd=tmp_path)
    assert server.ask("/static/site.css").body == b"built"


def test_the_static_folders_of_blueprints(start: Starter, tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "app.py").write_text(
        FLASK.format(options="")
        + """
from flask import Blueprint
blog = Blueprint("blog", __name__, url_prefix="/blog", static_folder="blog_static", static_url_path="/files")
wiki = Blueprint("wiki", __name__, static_folder="wiki_static", static_url_path="/wiki-static")
blog.register_blueprint(wiki, url_prefix="/inner")
app.register_blueprint(blog)
app.register_blueprint(blog, name="again", url_prefix="/again")
app.register_blueprint(Blueprint("users", __name__, url_prefix="/<user>", static_folder="blog_static"))
app.register_blueprint(Blueprint("empty", __name__, url_prefix="/empty"))
"""
    )
    for folder in ("blog_static", "wiki_static"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "site.css").write_text(folder)
    server = start(None, "--threads", "1", cwd=tmp_path)
    with server.connect() as client:
        client.request(f"/busy?gate={gate.port}")
        visitor = gate.wait("busy")
        for url, folder in {
            "/blog/files": "blog_static",
            "/again/files": "blog_static",
            "/blog/inner/wiki-static": "wiki_static",
        }.items():
            assert server.ask(f"{url}/site.css").body.decode() == folder, url
        visitor.let_through()
        assert client.answer().body == b"was busy"
    assert b"<!doctype" in server.ask("/ann/blog_static/x.css").body, "a URL with a free part is Flask's"


def test_a_flask_folder_at_the_root_leaves_the_pages_to_flask(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        FLASK.format(options=', static_url_path="/", static_folder="public"')
        + '@app.get("/page")\ndef page():\n    return "a page"\n'
    )
    (tmp_path / "public").mkdir()
    (tmp_path / "public/robots.txt").write_text("robots")
    server = start(None, cwd=tmp_path)
    assert "static=/=" in server.ready_line
    assert server.ask("/robots.txt").body == b"robots"
    assert server.ask("/page").body == b"a page"


DJANGO = """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
settings.configure(SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], {settings})
urlpatterns = [path("page/", lambda request: HttpResponse("a page"))]
application = get_wsgi_application()
"""


def django(start: Starter, directory: Path, settings: str, *options: str) -> Server:
    (directory / "site_wsgi.py").write_text(DJANGO.format(settings=settings))
    return start("site_wsgi:application", *options, cwd=directory)


def cache_control(server: Server, path: str) -> str:
    return server.ask(path).get("cache-control") or ""


def test_what_whitenoise_was_told(start: Starter, tmp_path: Path) -> None:
    """The settings that its users bring along."""
    for name in ("static/site.css", "static/app.bundle.js", "static/site.27e20196a850.css", "public/robots.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "public/docs").mkdir()
    (tmp_path / "public/docs/home.html").write_text("docs")
    (tmp_path / "public/data.geo").write_text("{}")
    server = django(
        start,
        tmp_path,
        """STATIC_URL="static/", STATIC_ROOT="static", WHITENOISE_ROOT="public", WHITENOISE_MAX_AGE=7,
        WHITENOISE_INDEX_FILE="home.html", WHITENOISE_ALLOW_ALL_ORIGINS=True,
        WHITENOISE_IMMUTABLE_FILE_TEST=lambda path, url: path.endswith("bundle.js") and url == "/static/app.bundle.js",
        WHITENOISE_MIMETYPES={".geo": "application/geo+json"}""",
    )
    css = server.ask("/static/site.css")
    assert (css.status, css.get("cache-control")) == (200, "public, max-age=7")
    assert css.get("access-control-allow-origin") == "*"
    assert "immutable" in cache_control(server, "/static/app.bundle.js")
    assert "immutable" not in cache_control(server, "/static/site.27e20196a850.css"), "the test decides"
    assert server.ask("/robots.txt").body == b"public/robots.txt"
    assert server.ask("/docs/").body == b"docs"
    assert server.ask("/docs").get("location") == "/docs/"
    assert server.ask("/data.geo").get("content-type") == "application/geo+json; charset=utf-8"
    assert server.ask("/page/").body == b"a page"


def test_options_count_more_than_whitenoises_settings(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static/font.woff2").write_text("font")
    (tmp_path / "static/app-x.js").write_text("app")
    server = django(
        start,
        tmp_path,
        """STATIC_URL="https://cdn.example/static/", STATIC_ROOT="static", WHITENOISE_STATIC_PREFIX="/cdn/",
        WHITENOISE_MAX_AGE=7, WHITENOISE_INDEX_FILE=False, WHITENOISE_ALLOW_ALL_ORIGINS=False,
        WHITENOISE_IMMUTABLE_FILE_TEST="-x[.]js$", WHITENOISE_MIMETYPES={".x": "a\\nb"}""",
        "--max-age",
        "9",
    )
    assert "WHITENOISE_MIMETYPES" in server.wait_log("WARN")
    font = server.ask("/cdn/font.woff2")
    assert (font.status, font.get("cache-control")) == (200, "public, max-age=9")
    assert font.get("access-control-allow-origin") is None
    assert "immutable" in cache_control(server, "/cdn/app-x.js")


# While the application is being worked on


def test_djangos_finders_with_debug(start: Starter, tmp_path: Path) -> None:
    """As runserver: what the apps and STATICFILES_DIRS have, without collectstatic, and as it is now."""
    (tmp_path / "shop/static/shop").mkdir(parents=True)
    (tmp_path / "shop/__init__.py").touch()
    (tmp_path / "shop/static/shop/cart.css").write_text("cart")
    for name in ("assets", "vendored"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "site.css").write_text(name)
    server = django(
        start,
        tmp_path,
        """DEBUG=True, STATIC_URL="static/", STATIC_ROOT="not-collected", INSTALLED_APPS=[
            "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.admin", "django.contrib.messages",
            "django.contrib.staticfiles", "shop"],
        STATICFILES_DIRS=[__file__.rsplit("/", 1)[0] + "/assets", ("v", __file__.rsplit("/", 1)[0] + "/vendored")]""",
    )
    assert "(live)" in server.ready_line
    css = server.ask("/static/site.css")
    assert (css.status, css.body, css.get("cache-control")) == (200, b"assets", "no-cache")
    assert server.ask("/static/v/site.css").body == b"vendored"
    assert server.ask("/static/shop/cart.css").body == b"cart"
    admin = server.ask("/static/admin/css/base.css")
    assert (admin.status, admin.get("content-type")) == (200, "text/css; charset=utf-8")
    etag = css.get("etag")
    assert etag
    assert server.ask("/static/site.css", headers=[("If-None-Match", etag)]).status == 304
    (tmp_path / "assets/site.css").write_text("changed")
    changed = server.ask("/static/site.css", headers=[("If-None-Match", etag)])
    assert (changed.status, changed.body) == (200, b"changed")
    (tmp_path / "assets/new.js").write_text("new")
    assert server.ask("/static/new.js").body == b"new"
    (tmp_path / "assets/new.js").unlink()
    assert server.ask("/static/new.js").status == 404
    assert server.ask("/page/").body == b"a page"
    assert "not-collected" not in server.log()


def test_flask_in_debug_mode(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        FLASK.format(options="") + '@app.post("/form")\ndef form():\n    return request.data\n'
    )
    (tmp_path / "static/docs").mkdir(parents=True)
    (tmp_path / "static/.env").write_text("SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "static/out.txt").symlink_to("../secret.txt")
    (tmp_path / "static/docs/index.html").write_text("docs")
    (tmp_path / "public").mkdir()
    server = start(None, "--static-root", "public", "--spa", cwd=tmp_path, env={"FLASK_DEBUG": "1"})
    (tmp_path / "static/site.css").write_text("body {}")
    assert server.ask("/static/site.css").body == b"body {}"
    assert server.ask("/static/docs?a=b").get("location") == "/static/docs/?a=b"
    assert server.ask("/static/docs/").body == b"docs"
    assert server.ask("/static").status == 404, "without an index it is the application's"
    (tmp_path / "static/index.html").write_text("all")
    assert server.ask("/static").get("location") == "/static/"
    assert server.ask("/static/").body == b"all"
    for path in (".env", "out.txt", "../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "docs", "none"):
        answer = server.ask(f"/static/{path}")
        assert answer.status in (302, 400, 404), path
        assert b"SECRET" not in answer.body, path
    assert server.ask("/static/site.css", "POST", body=b"x").status == 405
    assert server.ask("/form", "POST", body=b"x" * 100_000).body == b"x" * 100_000
    html = [("Accept", "text/html")]
    assert server.ask("/users/7", headers=html).status == 404
    (tmp_path / "public/index.html").write_text("the page")
    assert server.ask("/users/7", headers=html).body == b"the page"
    assert server.ask("/", headers=html).body == b"the page"
    assert server.ask("/users/7").status == 404
