"""`manage.py setup_demo`: everything between a fresh checkout and a running site."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from notes.models import Note, Tag

# Title, body, tags; oldest first, and enough for a second page.
SAMPLES: list[tuple[str, str, list[str]]] = [
    ("Welcome", "Log in to write a note of your own, or to attach a file.", ["site"]),
    ("Ideas for the weekend", "Walk along the river.\nBake bread.\nFix the bicycle.", ["home"]),
    ("Packing list", "The attached file has the whole list.", ["home", "travel"]),
    ("Trains to the coast", "08:12, then every hour. Seats on the left see the sea.", ["travel"]),
    ("Unicode, too", "Grüße aus Köln · Здравствуйте · こんにちは · 🌊", ["site"]),
    ("Export", "All notes are one CSV file, streamed row by row.", ["site"]),
    ("Book to return", "“The Sea Around Us”, due on the 14th.", ["home"]),
]
PACKING_LIST = "tent\nstove\nmatches\nmap\nmonopod\n"


class Command(BaseCommand):
    """Safe to run again: what is there already stays as it is."""

    help = "Migrate, create a demo superuser and sample notes, and collect static files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-static", action="store_true", help="leave static files alone, as an image has them")

    def handle(self, *args: Any, **options: Any) -> None:
        verbosity = options["verbosity"]
        call_command("migrate", interactive=False, verbosity=verbosity)
        self.create_superuser()
        self.create_notes()
        if not options["no_static"]:
            call_command("collectstatic", interactive=False, verbosity=verbosity)

    def create_superuser(self) -> None:
        """admin/admin, but only on a site without any user."""
        users = get_user_model().objects
        if users.exists():
            self.stdout.write("There are users already: no superuser was created.")
            return
        users.create_superuser("admin", password="admin")
        self.stdout.write(
            self.style.WARNING(
                "Created the superuser “admin” with the password “admin”. This is for the demo "
                "only: before others can reach the site, run `manage.py changepassword admin`."
            )
        )

    @transaction.atomic
    def create_notes(self) -> None:
        """The samples, but only on a site without any note."""
        if Note.objects.exists():
            self.stdout.write("There are notes already: no samples were created.")
            return
        for title, body, tags in SAMPLES:
            note = Note.objects.create(title=title, body=body)
            note.tags.set([Tag.objects.get_or_create(name=name)[0] for name in tags])
            if title == "Packing list":
                note.attachment.save("packing-list.txt", ContentFile(PACKING_LIST.encode()))
        self.stdout.write(f"Created {len(SAMPLES)} sample notes.")
