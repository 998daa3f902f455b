"""Removes an attached file once its note is deleted or has another file.

Only after the commit, so that a rolled back transaction loses nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_delete, pre_save
from django.dispatch import receiver

from .models import Note


@receiver(pre_save, sender=Note)
def remove_replaced(instance: Note, raw: bool, **_: Any) -> None:
    """Compare with the stored row; `raw` is a fixture being loaded."""
    if raw or instance.pk is None:
        return
    stored = Note.objects.filter(pk=instance.pk).first()
    if stored and stored.attachment != instance.attachment:
        _remove_on_commit(stored.attachment)


@receiver(post_delete, sender=Note)
def remove_deleted(instance: Note, **_: Any) -> None:
    """The row is gone, its file follows."""
    _remove_on_commit(instance.attachment)


def _remove_on_commit(file: FieldFile) -> None:
    if file.name:
        transaction.on_commit(partial(file.storage.delete, file.name))
