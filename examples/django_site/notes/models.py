"""Notes, and the tags on them."""

from __future__ import annotations

from pathlib import PurePosixPath

from django.db import models
from django.urls import reverse


class Tag(models.Model):
    """A word to find notes by."""

    name = models.CharField(max_length=40, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Note(models.Model):
    """A title and some text, with at most one attached file."""

    title = models.CharField(max_length=120)
    body = models.TextField(blank=True)
    tags = models.ManyToManyField(Tag, blank=True, related_name="notes")
    attachment = models.FileField(upload_to="attachments/%Y/%m/", max_length=255, blank=True, db_index=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created", "-pk"]
        indexes = [models.Index(fields=["-created", "-id"], name="note_newest_first")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("notes:detail", kwargs={"pk": self.pk})

    @property
    def attachment_name(self) -> str:
        """The file's name without its folder; blank when nothing is attached."""
        return PurePosixPath(self.attachment.name).name if self.attachment else ""
