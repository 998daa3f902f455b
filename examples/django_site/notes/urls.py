"""URLs of the notes, mounted at the site's root."""

from django.urls import path

from . import export, status, views

app_name = "notes"
urlpatterns = [
    path("", views.NoteList.as_view(), name="list"),
    path("notes/new/", views.NoteCreate.as_view(), name="create"),
    path("notes/export.csv", export.export_csv, name="export"),
    path("notes/<int:pk>/", views.NoteDetail.as_view(), name="detail"),
    path("notes/<int:pk>/edit/", views.NoteUpdate.as_view(), name="update"),
    path("notes/<int:pk>/delete/", views.NoteDelete.as_view(), name="delete"),
    # The path of settings.MEDIA_URL, so that `note.attachment.url` leads here.
    path("files/<path:name>", views.download, name="download"),
    path("status", status.status, name="status"),
]
