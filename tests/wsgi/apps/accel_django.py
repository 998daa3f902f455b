"""Views that answer with X-Accel-Redirect, as Django's documentation of nginx has them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="tests",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
)
django.setup()


def document(request: HttpRequest, name: str) -> HttpResponse:
    response = HttpResponse()
    response["X-Accel-Redirect"] = f"/protected/{quote(name)}"
    response.set_cookie("seen", "yes")
    if "typed" not in request.GET:
        # Django's default is text/html.
        del response["Content-Type"]
    return response


urlpatterns: Any = [path("documents/<name>", document)]
application = get_wsgi_application()
