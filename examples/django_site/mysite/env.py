"""Reading settings from the environment; an unusable value is refused, never replaced."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

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
