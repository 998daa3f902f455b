"""Static files storages that compress at the end of `collectstatic`, so that it is the only step of a build.

Name one in the setting STORAGES["staticfiles"]["BACKEND"]. What they write is what `monopod compress` writes.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib.staticfiles.storage import (  # type: ignore[import-untyped]
    ManifestStaticFilesStorage,
    StaticFilesStorage,
)

from monopod import compress


class _Compressing:
    """Adds a last step to a storage whose files lie in a directory, `location`."""

    location: str

    def post_process(
        self, paths: dict[str, Any], dry_run: bool = False, **options: Any
    ) -> Iterator[tuple[str, str | None, bool | Exception]]:
        """Do what the storage does by itself, then compress all of STATIC_ROOT; with `dry_run` nothing.

        Yields what Django wants of it: name, new name, and whether it was processed or the exception.
        """
        inherited = getattr(super(), "post_process", None)
        if inherited is not None:
            yield from inherited(paths, dry_run=dry_run, **options)
        if dry_run:
            return
        try:
            compress([self.location])
        except OSError as error:
            yield self.location, None, error


class CompressedStaticFilesStorage(_Compressing, StaticFilesStorage):  # type: ignore[misc]
    """Django's StaticFilesStorage, with compressed siblings."""


class CompressedManifestStaticFilesStorage(_Compressing, ManifestStaticFilesStorage):  # type: ignore[misc]
    """Django's ManifestStaticFilesStorage (hashed names, cached for ever), with compressed siblings."""
