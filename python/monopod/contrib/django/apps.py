"""What Django knows of the app."""

from django.apps import AppConfig  # type: ignore[import-untyped]


class MonopodConfig(AppConfig):  # type: ignore[misc]
    """The app; it has no models."""

    name = "monopod.contrib.django"
    label = "monopod"
    verbose_name = "monopod"

    def ready(self) -> None:
        """Register the system checks."""
        from monopod.contrib.django import checks

        checks.register()
