"""The notes application."""

from django.apps import AppConfig


class NotesConfig(AppConfig):
    """Connects the signal receivers once the models are loaded."""

    name = "notes"

    def ready(self) -> None:
        from . import attachments, status  # noqa: F401
