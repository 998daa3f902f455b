"""A small Django view behind the two middlewares that a site without sessions has."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from django.utils.html import format_html, format_html_join

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no use to anyone",
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
)
django.setup()


def view(request):
    items = format_html_join("", "<li>{}: {}</li>\n", ((number, f"item {number}") for number in range(5)))
    return HttpResponse(format_html("<h1>{}</h1>\n<ul>\n{}</ul>\n", request.path, items))


urlpatterns = [path("view", view)]
app = get_wsgi_application()
