"""Pages to read and write notes, and the download of their files.

Anyone may read; writing needs a log-in.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse_lazy
from django.views.decorators.http import require_safe
from django.views.generic import CreateView, DeleteView, DetailView, ListView, UpdateView

from .forms import NoteForm
from .models import Note, Tag


class NoteList(ListView):
    """Newest first; `?q=` searches, `?tag=` filters, `?page=` turns the page."""

    paginate_by = 5

    def get_queryset(self) -> QuerySet[Note]:
        notes = Note.objects.prefetch_related("tags")
        if query := self.request.GET.get("q", "").strip():
            notes = notes.filter(Q(title__icontains=query) | Q(body__icontains=query))
        if tag := self.request.GET.get("tag"):
            notes = notes.filter(tags__name=tag)
        return notes

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(tags=Tag.objects.all(), **kwargs)


class NoteDetail(DetailView):
    """One note in full."""

    model = Note


class NoteFormMixin(LoginRequiredMixin, SuccessMessageMixin):
    """What creating and editing have in common."""

    model = Note
    form_class = NoteForm

    def form_valid(self, form: NoteForm) -> HttpResponse:
        with transaction.atomic():  # the note and its tags, or neither
            return super().form_valid(form)


class NoteCreate(NoteFormMixin, CreateView):
    """A new note."""

    success_message = "“%(title)s” was created."


class NoteUpdate(NoteFormMixin, UpdateView):
    """Change a note."""

    success_message = "“%(title)s” was saved."


class NoteDelete(LoginRequiredMixin, DeleteView):
    """Ask, then delete a note and its file."""

    model = Note
    success_url = reverse_lazy("notes:list")

    def form_valid(self, form: Any) -> HttpResponse:
        title = self.object.title
        response = super().form_valid(form)
        messages.success(self.request, f"“{title}” was deleted.")
        return response


@require_safe
def download(request: HttpRequest, name: str) -> FileResponse:
    """Send an attached file, always as a download.

    The name is looked up among the notes, so nothing else in MEDIA_ROOT can be named.
    """
    note = get_object_or_404(Note, attachment=name)
    try:
        file = note.attachment.open("rb")
    except FileNotFoundError as error:
        raise Http404("The file is missing.") from error
    return FileResponse(file, as_attachment=True, filename=note.attachment_name)
