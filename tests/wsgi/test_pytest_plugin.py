"""Promise: the fixtures of `monopod.pytest_plugin` serve the application of a test, as `live_server` does: any callable, a
Flask application, a Django project with its database and static files; also in the workers of pytest-xdist."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from python_face import needs_package, python, run

pytestmark = needs_package

PLAIN = """
    import urllib.request
    import pytest

    def app_saying(text):
        def app(environ, start_response):
            start_response("200 OK", [])
            return [text.encode()]
        return app

    def get(url):
        return urllib.request.urlopen(url, timeout=20).read().decode()
"""


def outcome(project: Path, *args: str) -> str:
    """The last line of a run of pytest, which may load all plugins there are."""
    ended = run("-m", "pytest", "-p", "no:cacheprovider", "--no-header", "-q", *args, cwd=project, timeout=110)
    return ended.stdout.rstrip().splitlines()[-1] if ended.stdout.strip() else ended.stderr


def write(project: Path, **files: str) -> None:
    (project / "pytest.ini").write_text("[pytest]\n")
    for name, text in files.items():
        (project / f"{name}.py").write_text(textwrap.dedent(text))


def test_serve_app_starts_any_number_of_servers(tmp_path: Path) -> None:
    write(
        tmp_path,
        test_it=textwrap.dedent(PLAIN)
        + textwrap.dedent("""
        seen = []

        def test_two(serve_app):
            first, second = serve_app(app_saying("one"), threads=1), serve_app(app_saying("two"))
            seen.append(first)
            assert (get(first.url), get(str(second)), get(second + "/page")) == ("one", "two", "two")
            assert first.url == f"http://{first.host}:{first.port}" and first.url in repr(first)

        def test_they_end_with_the_test(serve_app):
            assert not seen[0].server.is_running

        def test_a_unix_socket_has_no_host(serve_app, tmp_path):
            server = serve_app(app_saying("x"), bind=f"unix:{tmp_path}/s")
            with pytest.raises(RuntimeError, match="has no host"):
                server.host

        def test_a_wrong_option(serve_app):
            with pytest.raises(TypeError, match="did you mean threads"):
                serve_app(app_saying("x"), thread=1)
        """),
    )
    assert outcome(tmp_path).startswith("4 passed")


def test_monopod_app_is_overridden_and_a_session_has_one_server(tmp_path: Path) -> None:
    write(
        tmp_path,
        test_it=textwrap.dedent(PLAIN)
        + textwrap.dedent("""
        urls = set()

        @pytest.fixture
        def monopod_app():
            return app_saying("mine")

        @pytest.fixture
        def monopod_options():
            return {"root_path": "/below"}

        @pytest.fixture(scope="session")
        def monopod_session_app():
            return app_saying("of all")

        def test_function(monopod_server):
            assert get(monopod_server + "/below/x") == "mine"

        @pytest.mark.parametrize("n", range(3))
        def test_session(monopod_session_server, n):
            urls.add(monopod_session_server.url)
            assert get(monopod_session_server.url) == "of all" and len(urls) == 1
        """),
    )
    assert outcome(tmp_path).startswith("4 passed")


def test_without_an_application_it_says_so(tmp_path: Path) -> None:
    write(tmp_path, test_it="def test_it(monopod_server): pass\n")
    ended = run("-m", "pytest", "-p", "no:cacheprovider", "-q", cwd=tmp_path)
    assert ended.returncode == 1
    assert "override the fixture `monopod_app`, or have a fixture `app`" in ended.stdout


FLASK = """
    import pytest
    from flask import Flask, url_for

    @pytest.fixture
    def app():
        app = Flask("its_own")
        app.config["TESTING"] = False

        @app.route("/")
        def index():
            return "flask"

        @app.route("/boom")
        def boom():
            raise KeyError("lost")

        return app
"""


def test_a_flask_application_by_the_fixture_of_pytest_flask(tmp_path: Path) -> None:
    write(
        tmp_path,
        conftest=FLASK,
        test_it=textwrap.dedent(PLAIN)
        + textwrap.dedent("""
        import urllib.error

        def test_it(monopod_server, client):
            assert get(monopod_server.url) == client.get("/").text == "flask"

        def test_a_failure_shows_why(monopod_server, capsys, caplog):
            with pytest.raises(urllib.error.HTTPError):
                get(monopod_server + "/boom")
            assert "KeyError: 'lost'" in caplog.text
        """),
    )
    # Both pytest-flask and pytest-django have a fixture `client`; a project has one of them.
    assert outcome(tmp_path, "-p", "no:django").startswith("2 passed")


DJANGO = """
    SECRET_KEY = "x"
    DEBUG = False
    ALLOWED_HOSTS = []
    ROOT_URLCONF = "urls"
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.staticfiles", "django.contrib.admin",
                      "django.contrib.sessions", "django.contrib.messages"]
    MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
    STATIC_URL = "static/"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {"timeout": 60}, "TEST": {"NAME": %s}}}
    DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
"""
URLS = """
    import threading, time
    from django.contrib.auth.models import Group
    from django.http import HttpResponse
    from django.urls import path

    began = threading.Event()

    def names(request):
        if request.GET.get("slow"):
            began.set()
            time.sleep(0.7)
        if name := request.GET.get("add"):
            Group.objects.create(name=name)
        return HttpResponse(",".join(Group.objects.order_by("name").values_list("name", flat=True)))

    urlpatterns = [path("names", names)]
"""
DJANGO_TESTS = """
    import pytest
    from concurrent.futures import ThreadPoolExecutor
    from django.contrib.auth.models import Group

    def test_the_database_is_shared(monopod_server):
        Group.objects.create(name="a test's")
        assert get(monopod_server + "/names?add=the-servers") == "a test's,the-servers"
        assert set(Group.objects.values_list("name", flat=True)) == {"a test's", "the-servers"}

    def test_and_empty_again(monopod_server):
        assert get(monopod_server + "/names") == ""

    @pytest.mark.django_db(transaction=True)
    def test_many_at_once(monopod_server):
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda n: get(f"{monopod_server}/names?add={n}"), range(24)))
        assert Group.objects.count() == 24

    def test_static_files_by_their_finders(monopod_server):
        assert "body" in get(monopod_server + "/static/admin/css/base.css")
"""


@pytest.mark.parametrize("database", ["None", '"file.sqlite3"'])
def test_a_django_project_with_its_database_and_static_files(tmp_path: Path, database: str) -> None:
    write(
        tmp_path, settings=DJANGO % database, urls=URLS, test_it=textwrap.dedent(PLAIN) + textwrap.dedent(DJANGO_TESTS)
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nDJANGO_SETTINGS_MODULE = settings\npythonpath = .\n")
    assert outcome(tmp_path).startswith("4 passed")


TEARDOWN_TESTS = """
    import threading
    import pytest
    import urls
    from django.conf import settings
    from django.contrib.auth.models import Group

    answers, clients = [], []

    @pytest.fixture
    def monopod_options():
        return {"live": True}

    def ask(url):
        try:
            answers.append(get(url))
        except Exception as error:
            answers.append(error)

    def test_it_ends_with_a_request_in_flight(monopod_server):
        client = threading.Thread(target=ask, args=(f"{monopod_server}/names?slow=1&add=late",))
        client.start()
        clients.append(client)
        assert urls.began.wait(20)

    def test_which_was_answered_and_its_database_emptied(transactional_db):
        clients[0].join(20)
        assert answers == ["late"] and Group.objects.count() == 0

    def test_the_session_begins(monopod_session_server, monopod_server):
        assert settings.ALLOWED_HOSTS.count("127.0.0.1") == 2

    def test_and_goes_on(monopod_session_server):
        assert settings.ALLOWED_HOSTS.count("127.0.0.1") == 1
"""


@pytest.mark.parametrize("database", ["None", '"file.sqlite3"'])
def test_a_server_ends_before_its_database_and_hosts_are_gone(tmp_path: Path, database: str) -> None:
    code = textwrap.dedent(PLAIN) + textwrap.dedent(TEARDOWN_TESTS)
    write(tmp_path, settings=DJANGO % database, urls=URLS, test_it=code)
    (tmp_path / "pytest.ini").write_text("[pytest]\nDJANGO_SETTINGS_MODULE = settings\npythonpath = .\n")
    ended = run("-m", "pytest", "-p", "no:cacheprovider", "-q", cwd=tmp_path, timeout=110)
    assert "4 passed" in ended.stdout, ended.stdout
    assert "error" not in ended.stdout, ended.stdout


def test_a_session_server_with_a_database_in_a_file(tmp_path: Path) -> None:
    tests = """
        import pytest
        from django.contrib.auth.models import Group

        @pytest.mark.parametrize("name", ["a", "b"])
        def test_it(monopod_session_server, transactional_db, name):
            assert get(f"{monopod_session_server}/names?add={name}") == name
            assert Group.objects.count() == 1
    """
    code = textwrap.dedent(PLAIN) + textwrap.dedent(tests)
    write(tmp_path, settings=DJANGO % '"file.sqlite3"', urls=URLS, test_it=code)
    (tmp_path / "pytest.ini").write_text("[pytest]\nDJANGO_SETTINGS_MODULE = settings\npythonpath = .\n")
    assert outcome(tmp_path).startswith("2 passed")


def test_in_the_workers_of_xdist(tmp_path: Path) -> None:
    write(
        tmp_path,
        test_it=textwrap.dedent(PLAIN)
        + textwrap.dedent("""
        @pytest.mark.parametrize("n", range(12))
        def test_it(serve_app, n):
            assert get(serve_app(app_saying(str(n))).url) == str(n)
        """),
    )
    assert outcome(tmp_path, "-n", "2").startswith("12 passed")


def test_the_plugin_alone_imports_no_framework(tmp_path: Path) -> None:
    code = """
        import sys
        import monopod.pytest_plugin
        print([name for name in ("django", "flask", "werkzeug", "click", "asyncio", "ssl") if name in sys.modules])
    """
    frameworks = python(code, tmp_path)
    assert frameworks == "[]\n", frameworks
    assert "monopod_server" in run("-m", "pytest", "--fixtures", "-q", cwd=tmp_path).stdout
