"""`manage.py compress`: compressed siblings of what `collectstatic` collected."""

from typing import Any

from django.conf import settings  # type: ignore[import-untyped]
from django.core.management.base import BaseCommand, CommandError, CommandParser  # type: ignore[import-untyped]

from monopod import compress


class Command(BaseCommand):  # type: ignore[misc]
    """As `monopod compress`, for STATIC_ROOT."""

    help = "Write .br, .zst and .gz siblings of the collected static files, at build time."
    # Static files need neither models nor URLs, and an image build often has no database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The directories and `--check`."""
        parser.add_argument("dirs", nargs="*", metavar="DIR", help="directories; without any, STATIC_ROOT")
        parser.add_argument(
            "--check", action="store_true", help="change nothing; fail when siblings are missing or stale"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Compress, and say what was done; CommandError (exit code 1) with the sentence where that fails."""
        if not options["dirs"] and not settings.STATIC_ROOT:
            raise CommandError("STATIC_ROOT is not set: set it, or name the directories.")
        try:
            report = compress(options["dirs"] or [settings.STATIC_ROOT], check=options["check"])
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        if options["verbosity"] > 0:
            self.stdout.write(str(report))
