"""What `wagtail start` makes, with the body and the picture that Wagtail's tutorial gives a page, made ready to be served."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from server import Face, environment

# Two hundred migrations, or brotli at its best for four hundred files, on a machine that is busy.
STEP_WITHIN = 240.0

MODELS = """\
from django.db import models
from wagtail.fields import RichTextField
from wagtail.models import Page
from wagtail.search import index


class HomePage(Page):
    body = RichTextField(blank=True)
    picture = models.ForeignKey(
        "wagtailimages.Image", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    search_fields = [*Page.search_fields, index.SearchField("body")]
    content_panels = [*Page.content_panels, "body", "picture"]
"""

TEMPLATE = """\
{% extends "base.html" %}
{% load wagtailcore_tags wagtailimages_tags %}
{% block content %}
<h1>{{ page.title }}</h1>
{{ page.body|richtext }}
{% if page.picture %}{% image page.picture width-600 format-webp %}{% endif %}
{% endblock %}
"""

LOCAL = """\
SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["127.0.0.1"]
# What would ask hosts elsewhere.
WAGTAIL_ENABLE_UPDATE_CHECK = False
WAGTAIL_GRAVATAR_PROVIDER_URL = None
"""


@dataclass(frozen=True)
class WagtailSite:
    """Where the project is. Its settings are `bakery.settings.dev` and `bakery.settings.production`."""

    project: Path
    settings: str

    @property
    def env(self) -> dict[str, str]:
        return {"DJANGO_SETTINGS_MODULE": self.settings}

    @property
    def media(self) -> Path:
        return self.project / "media"

    @classmethod
    def started(cls, base: Path) -> WagtailSite:
        """With its tables and the user admin, password admin; nothing is collected."""
        site = cls(base / "bakery", "bakery.settings.dev")
        site.project.mkdir()
        wagtail = "from wagtail.bin.wagtail import main; main()"
        site._run("-c", wagtail, "start", "bakery", ".")
        (site.project / "bakery/settings/local.py").write_text(LOCAL)
        (site.project / "home/models.py").write_text(MODELS)
        (site.project / "home/templates/home/home_page.html").write_text(TEMPLATE)
        site.manage("makemigrations", "home")
        site.manage("migrate")
        site.manage("createsuperuser", "--noinput", "--username", "admin", "--email", "admin@example.org")
        return site

    def for_development(self, base: Path) -> WagtailSite:
        """A copy for `monopod dev`."""
        return WagtailSite(shutil.copytree(self.project, base / "bakery"), "bakery.settings.dev")

    def for_production(self, base: Path, face: Face) -> WagtailSite:
        """A copy with static files collected under their hashed names, and compressed; and a place for what is uploaded."""
        site = WagtailSite(shutil.copytree(self.project, base / "bakery"), "bakery.settings.production")
        site.media.mkdir()
        site.manage("collectstatic", "--noinput")
        ended = face.run("compress", "static", cwd=site.project, timeout=STEP_WITHIN)
        assert ended.returncode == 0, ended
        return site

    def manage(self, *args: str) -> None:
        self._run("manage.py", *args, "--verbosity", "0")

    def _run(self, *args: str) -> None:
        env = environment({**self.env, "DJANGO_SUPERUSER_PASSWORD": "admin"})
        command = [sys.executable, *args]
        ended = subprocess.run(
            command, cwd=self.project, env=env, capture_output=True, text=True, check=False, timeout=STEP_WITHIN
        )
        assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout}{ended.stderr}"
