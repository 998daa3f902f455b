"""System checks: slips that are common when a Django project goes behind monopod. docs/django.md lists them.

The first is for every `check`; all others look at a deployment and run by `check --deploy`. Nothing here connects to
anything, and nothing is imported that the project does not have.
"""

import os
from collections.abc import Iterator
from typing import Any

from django.apps import apps  # type: ignore[import-untyped]
from django.conf import settings  # type: ignore[import-untyped]
from django.core import checks  # type: ignore[import-untyped]
from django.core.management import get_commands  # type: ignore[import-untyped]

from monopod._monopod import default_threads

STATICFILES = "django.contrib.staticfiles"
OURS = "monopod.contrib.django"
# PostgreSQL's default for max_connections, less what it keeps for superusers; MySQL's is 151.
MANY_CONNECTIONS = 97


def register() -> None:
    """Make them known to Django."""
    checks.register(check_order, checks.Tags.staticfiles)
    checks.register(check_proxy, checks.Tags.security, deploy=True)
    checks.register(check_static, checks.Tags.staticfiles, deploy=True)
    # Not with the tag `database`, whose checks run only for `check --database`.
    checks.register(check_connections, OURS, deploy=True)


def check_order(app_configs: Any, **_kwargs: Any) -> list[Any]:
    """W001: another app's `runserver` is found first."""
    other = get_commands().get("runserver")
    # A command that is there as an object already was put there by somebody.
    if not isinstance(other, str) or other in (OURS, "django.core"):
        return []
    return [
        checks.Warning(
            f"{other} stands before {OURS} in INSTALLED_APPS, so its `runserver` is the one that runs.",
            hint=f"Put {OURS!r} before {other!r}.",
            id="monopod.W001",
        )
    ]


def check_proxy(app_configs: Any, **_kwargs: Any) -> list[Any]:
    """W002: HTTPS is demanded, and nobody says how it can be told behind a proxy."""
    trusted = any(os.environ.get(name) for name in ("MONOPOD_FORWARDED_ALLOW_IPS", "FORWARDED_ALLOW_IPS"))
    if not settings.SECURE_SSL_REDIRECT or settings.SECURE_PROXY_SSL_HEADER or trusted:
        return []
    return [
        checks.Warning(
            "SECURE_SSL_REDIRECT is on, and nothing here says which proxy may tell that a request came by HTTPS: behind "
            "one that ends TLS every page redirects to itself.",
            hint="Name the proxy to monopod, by --forwarded-allow-ips or FORWARDED_ALLOW_IPS (`private` for those of a "
            "cluster): Django then sees https without a setting, and nobody else can claim it. SECURE_PROXY_SSL_HEADER "
            "does as well, where every request passes the proxy.",
            id="monopod.W002",
        )
    ]


def check_static(app_configs: Any, **_kwargs: Any) -> list[Any]:
    """W003 to W005: static files that monopod will not find, or cannot let clients keep."""
    if not apps.is_installed(STATICFILES):
        return []
    return [*_storage(), *_whitenoise()]


def _static_root() -> Iterator[Any]:
    root = settings.STATIC_ROOT
    if not root:
        missing, hint = "STATIC_ROOT is not set", "Set it, and run `manage.py collectstatic` when the image is built."
    elif not os.path.isdir(root):
        missing, hint = (
            f"STATIC_ROOT ({root}) is no directory",
            "Run `manage.py collectstatic` when the image is built.",
        )
    else:
        return
    yield checks.Warning(
        f"{missing}: without DEBUG monopod has no static files to serve.", hint=hint, id="monopod.W003"
    )


def _storage() -> Iterator[Any]:
    from django.contrib.staticfiles.storage import (  # type: ignore[import-untyped]
        HashedFilesMixin,
        staticfiles_storage,
    )
    from django.core.files.storage import FileSystemStorage  # type: ignore[import-untyped]

    try:
        # S3 and its kin serve the files themselves; they may have a `location`, but no path.
        is_local, is_hashed = (
            isinstance(staticfiles_storage, FileSystemStorage),
            isinstance(staticfiles_storage, HashedFilesMixin),
        )
    except Exception:
        # It cannot be made, which without STATIC_ROOT is no wonder, and else Django's to tell.
        yield from _static_root()
        return
    if not is_local:
        return
    yield from _static_root()
    if not is_hashed:
        yield checks.Warning(
            "The storage of static files gives them no hashed names, so clients ask for each of them again after "
            "--max-age (a minute).",
            hint='Set STORAGES["staticfiles"] to {"BACKEND": '
            '"monopod.contrib.django.storage.CompressedManifestStaticFilesStorage"}: hashed names are kept for a year, and '
            "collectstatic compresses them.",
            id="monopod.W004",
        )


def _whitenoise() -> Iterator[Any]:
    if any(name.startswith("whitenoise.") for name in settings.MIDDLEWARE):
        yield checks.Warning(
            "WhiteNoise is in MIDDLEWARE, where it sees every request; monopod answers those for static files before "
            "they reach Django.",
            hint="Take it out. monopod reads the WHITENOISE_ settings by itself (docs/static-files.md).",
            id="monopod.W005",
        )


def check_connections(app_configs: Any, **_kwargs: Any) -> list[Any]:
    """W006 to W009: what a thread of the pool, which lives as long as the process, does with its connections."""
    threads = _threads()
    return [message for alias in settings.DATABASES for message in _of_database(alias, threads)]


def _threads() -> int:
    """As monopod would have it here: its variable, or its rule for the CPUs."""
    said = os.environ.get("MONOPOD_THREADS", "")
    return int(said) if said.isdigit() else default_threads()


def _of_database(alias: str, threads: int) -> Iterator[Any]:
    from django.db import connections  # type: ignore[import-untyped]

    database = connections.settings[alias]
    engine, age = database["ENGINE"].rpartition(".")[2], database["CONN_MAX_AGE"]
    if engine in ("sqlite3", "spatialite", "dummy"):
        return
    pool = database["OPTIONS"].get("pool") if isinstance(database["OPTIONS"], dict) else None
    if pool:
        size = pool.get("max_size") or pool.get("min_size", 4) if isinstance(pool, dict) else 4
        if size < threads:
            yield checks.Warning(
                f"The pool of database {alias!r} has {size} connections for {threads} threads: requests wait for one.",
                hint=f'Set OPTIONS["pool"]["max_size"] to {threads}, or monopod\'s --threads to {size}.',
                id="monopod.W006",
            )
        return
    if age == 0:
        yield checks.Warning(
            f"Database {alias!r} has CONN_MAX_AGE 0: every request opens a connection of its own, and pays for TCP, TLS "
            "and the login.",
            hint="monopod's threads live as long as the process, so set CONN_MAX_AGE to some minutes, with "
            "CONN_HEALTH_CHECKS, or a pool. Behind PgBouncer in transaction mode 0 may be meant: silence this then.",
            id="monopod.W007",
        )
        return
    if not database["CONN_HEALTH_CHECKS"]:
        yield checks.Warning(
            f"Database {alias!r} keeps connections without CONN_HEALTH_CHECKS: after it was restarted, or a firewall has "
            f"dropped them, up to {threads} requests of each process fail.",
            hint="Set CONN_HEALTH_CHECKS to True.",
            id="monopod.W008",
        )
    if threads > MANY_CONNECTIONS:
        yield checks.Warning(
            f"Database {alias!r} keeps one connection for each of {threads} threads of each process, which alone is "
            "beyond what PostgreSQL allows by default (max_connections is 100).",
            hint="Lower --threads, or put a pool between (OPTIONS['pool'], PgBouncer).",
            id="monopod.W009",
        )
