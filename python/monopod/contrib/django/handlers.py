"""Django's application as monopod takes it, whatever WSGI_APPLICATION has wrapped around it.

`monopod.Server` looks for Django's static files where the application is one of Django's own handlers. Used by `runserver`
and by the fixtures of `monopod.pytest_plugin`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler  # type: ignore[import-untyped]
from django.db import connections  # type: ignore[import-untyped]


class StaticFilesByMonopod(WSGIHandler):  # type: ignore[misc]
    """Passes every request on. What makes it one of Django's handlers is its class."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        # Not super().__init__(), which would load the middleware once more.
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self._application(environ, start_response)


class SharedConnections(StaticFilesByMonopod):
    """Has each thread use these connections, which are of the test's thread: a database in memory is theirs alone."""

    def __init__(self, application: Callable[..., Iterable[bytes]], shared: dict[str, Any]) -> None:
        super().__init__(application)
        self._shared = shared

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for alias, connection in self._shared.items():
            connections[alias] = connection
        return super().__call__(environ, start_response)
