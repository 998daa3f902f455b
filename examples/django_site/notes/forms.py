"""The form notes are written with."""

from django import forms

from .models import Note


class NoteForm(forms.ModelForm):
    """Create or edit a note; tags are made in the admin."""

    class Meta:
        model = Note
        fields = ["title", "body", "tags", "attachment"]
        widgets = {
            "body": forms.Textarea(attrs={"rows": 8}),
            "tags": forms.CheckboxSelectMultiple,
        }
