"""Notes and tags in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from .models import Note, Tag


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):
    """Tags, with how often each is used."""

    list_display = ["name", "note_count"]
    search_fields = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        return super().get_queryset(request).annotate(_notes=Count("notes"))

    @admin.display(description="notes", ordering="_notes")
    def note_count(self, tag: Tag) -> int:
        return tag._notes


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    """Notes, searchable and filtered by tag and date."""

    list_display = ["title", "created", "tag_names", "has_attachment"]
    list_filter = ["tags", "created", ("attachment", admin.EmptyFieldListFilter)]
    search_fields = ["title", "body"]
    date_hierarchy = "created"
    autocomplete_fields = ["tags"]
    readonly_fields = ["created", "updated"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Note]:
        return super().get_queryset(request).prefetch_related("tags")

    @admin.display(description="tags")
    def tag_names(self, note: Note) -> str:
        return ", ".join(tag.name for tag in note.tags.all())

    @admin.display(description="file", boolean=True)
    def has_attachment(self, note: Note) -> bool:
        return bool(note.attachment)
