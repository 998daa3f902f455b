"""Promise: the system checks of `monopod.contrib.django` name slips of a deployment, each with what to do, and say nothing of
a project that has none."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from python_face import needs_package, run

pytestmark = needs_package

SETTINGS = """
SECRET_KEY = "x" * 60
DEBUG = False
ALLOWED_HOSTS = ["www.example.org"]
USE_TZ = True
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["monopod.contrib.django", "django.contrib.staticfiles"]
MIDDLEWARE = []
STATIC_URL = "static/"
STATIC_ROOT = "collected"
STORAGES = {"staticfiles": {"BACKEND": "monopod.contrib.django.storage.CompressedManifestStaticFilesStorage"}}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file"}}
"""


def messages(project: Path, changes: str, *args: str, env: dict[str, str] | None = None) -> str:
    """What `check` says; ours alone."""
    (project / "collected").mkdir(exist_ok=True)
    (project / "urls.py").write_text("urlpatterns = []\n")
    (project / "settings.py").write_text(SETTINGS + textwrap.dedent(changes))
    env = {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(project), **(env or {})}
    ended = run("-m", "django", "check", *args, cwd=project, env=env)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def ids(said: str) -> list[str]:
    return re.findall(r"\(monopod\.(\w+)\)", said)


# No driver needs to be there to read the settings of a database.
ENGINE = """
import sys, types
from django.db.backends.dummy import base
sys.modules["remote"] = types.ModuleType("remote")
sys.modules["remote.base"] = base
DATABASES = {"default": {"ENGINE": "remote", "NAME": "x", %s}}
"""


REMOTE = """
from django.core.files.storage import Storage
class Remote(Storage):
    location = "static"
"""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("", []),
        ("SECURE_SSL_REDIRECT = True", ["W002"]),
        ("SECURE_SSL_REDIRECT = True\nSECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')", []),
        ("STATIC_ROOT = None", ["W003"]),
        ("STATIC_ROOT = 'nowhere'", ["W003"]),
        ("STORAGES = {'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.StaticFilesStorage'}}", ["W004"]),
        (
            "STORAGES = {'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'}}",
            [],
        ),
        # Files that are elsewhere: no directory, but perhaps a `location`.
        ("STATIC_ROOT = None\nSTORAGES = {'staticfiles': {'BACKEND': 'settings.Remote'}}" + REMOTE, []),
        ("MIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware']", ["W005"]),
        (ENGINE % "'OPTIONS': {'pool': {'min_size': 2, 'max_size': 3}}", ["W006"]),
        (ENGINE % "'OPTIONS': {'pool': {'max_size': 8}}", []),
        (ENGINE % "'CONN_MAX_AGE': 0", ["W007"]),
        (ENGINE.replace("remote", "spatialite") % "'CONN_MAX_AGE': 0", []),
        (ENGINE % "'CONN_MAX_AGE': 300", ["W008"]),
        (ENGINE % "'CONN_MAX_AGE': 300, 'CONN_HEALTH_CHECKS': True", []),
    ],
)
def test_a_deployment(tmp_path: Path, changes: str, expected: list[str]) -> None:
    env = {"MONOPOD_THREADS": "8"}
    assert ids(messages(tmp_path, changes, "--deploy", env=env)) == expected
    assert ids(messages(tmp_path, changes, env=env)) == [], "without --deploy"


def test_what_the_environment_says_counts(tmp_path: Path) -> None:
    redirect = "SECURE_SSL_REDIRECT = True"
    assert ids(messages(tmp_path, redirect, "--deploy", env={"FORWARDED_ALLOW_IPS": "private"})) == []
    keeps = ENGINE % "'CONN_MAX_AGE': None, 'CONN_HEALTH_CHECKS': True"
    said = messages(tmp_path, keeps, "--deploy", env={"MONOPOD_THREADS": "128"})
    assert ids(said) == ["W009"]
    assert "128 threads" in said
    assert "HINT: Lower --threads" in said


def test_the_order_of_apps_is_always_checked(tmp_path: Path) -> None:
    said = messages(tmp_path, "INSTALLED_APPS = ['django.contrib.staticfiles', 'monopod.contrib.django']")
    assert ids(said) == ["W001"]
    assert "Put 'monopod.contrib.django' before 'django.contrib.staticfiles'." in said
    # The storages work without the app, and nothing is checked then.
    assert ids(messages(tmp_path, "INSTALLED_APPS = ['django.contrib.staticfiles']", "--deploy")) == []


def test_any_other_apps_runserver_is_told(tmp_path: Path) -> None:
    commands = tmp_path / "other/management/commands"
    commands.mkdir(parents=True)
    for directory in (commands, commands.parent, commands.parent.parent):
        (directory / "__init__.py").touch()
    (commands / "runserver.py").write_text("from django.core.management.commands.runserver import Command\n")
    said = messages(tmp_path, "INSTALLED_APPS = ['other', 'monopod.contrib.django']")
    assert ids(said) == ["W001"]
    assert "Put 'monopod.contrib.django' before 'other'." in said
    # One that has no such command may stand anywhere.
    apps = "INSTALLED_APPS = ['django.contrib.contenttypes', 'monopod.contrib.django', 'other']"
    assert ids(messages(tmp_path, apps)) == []


def test_threads_are_those_that_monopod_would_have(tmp_path: Path) -> None:
    import monopod._monopod as native

    assert native.default_threads() >= 1
    wants = native.default_threads() + 1
    pool = ENGINE % f"'OPTIONS': {{'pool': {{'max_size': {wants - 2}}}}}"
    said = messages(tmp_path, pool, "--deploy", env={"MONOPOD_THREADS": ""})
    assert f"for {wants - 1} threads" in said


def test_they_can_be_silenced(tmp_path: Path) -> None:
    changes = "STATIC_ROOT = None\nSILENCED_SYSTEM_CHECKS = ['monopod.W003']"
    assert ids(messages(tmp_path, changes, "--deploy")) == []
