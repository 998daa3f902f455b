"""The site's URLs: the admin, log-in, and the notes at the root."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login/", LoginView.as_view(template_name="notes/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("", include("notes.urls")),
]
