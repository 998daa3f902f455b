"""Reading settings from the environment; an unusable value is refused, never replaced."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def flag(name: str, *, default: bool) -> bool:
    """A yes or no; blank means unset."""
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return default
    if value not in _FLAGS:
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to 1 or 0.")
    return _FLAGS[value]


def words(name: str, *, default: list[str]) -> list[str]:
    """A comma-separated list; blank means unset."""
    value = os.environ.get(name, "")
    return [word.strip() for word in value.split(",") if word.strip()] or default


def database(name: str) -> dict[str, Any] | None:
    """The database of a URL: postgresql://user:password@host:port/name, or sqlite:////path; blank means unset.

    The URL has a password, so a refusal does not quote it.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        return None
    url = urlsplit(value)
    path = unquote(url.path.removeprefix("/"))
    if url.scheme == "sqlite" and path:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": path}
    if url.scheme not in ("postgres", "postgresql") or not path:
        raise ImproperlyConfigured(f"{name} is none of postgresql://user:password@host:port/name and sqlite:////path.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": path,
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": url.port or "",
        # One connection per thread, kept between requests, and looked at before each.
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }


def secret(name: str, path: Path) -> str:
    """The secret in the variable, or one kept in the file, made on first use.

    Several processes may start at once: each writes a file of its own, one link wins,
    and all read that one. The file is readable by its owner alone.
    """
    if value := os.environ.get(name):
        return value
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(draft, "x", encoding="ascii", opener=_private) as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
