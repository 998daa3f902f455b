"""`manage.py runserver`, served by monopod: Django's own command, with its flags, messages and reloader.

Static files are found as Django's `runserver` finds them, and sent past Python. Requests wait in the backlog while the
reloader starts the project anew. For development; in production the command is `monopod`.
"""

import errno
import logging
import os
import socketserver
import sys
import time
from typing import Any

from django.apps import apps  # type: ignore[import-untyped]
from django.conf import settings  # type: ignore[import-untyped]
from django.contrib.staticfiles.management.commands.runserver import (  # type: ignore[import-untyped]
    Command as RunserverCommand,
)
from django.core.management.commands.runserver import Command as BareCommand  # type: ignore[import-untyped]
from django.utils import autoreload  # type: ignore[import-untyped]

from monopod import Server, _handover
from monopod.contrib.django.handlers import StaticFilesByMonopod

# As Django's own command has them.
SENTENCES = {
    errno.EACCES: "You don't have permission to access that port.",
    errno.EADDRINUSE: "That port is already in use.",
    errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
}


class DevelopmentServer:
    """What Django's command takes for its WSGIServer: binds when it is made, and serves until somebody ends it."""

    def __init__(self, address: tuple[str, int], _handler: Any, ipv6: bool = False, **_options: Any) -> None:
        self._listener = _handover.listen(*address, ipv6=ipv6)
        self.server_port: int = self._listener.getsockname()[1]

    def set_app(self, application: Any) -> None:
        """The application that Django's command has wrapped."""
        self._application = application

    def serve_forever(self) -> None:
        """Serve; KeyboardInterrupt, which Django's command waits for, ends it."""
        server = Server(
            self._application,
            bind=f"fd://{self._listener.fileno()}",
            live=isinstance(self._application, StaticFilesByMonopod),
            # `--nothreading`: Django mixes this in otherwise.
            threads=None if isinstance(self, socketserver.ThreadingMixIn) else 1,
            # Nobody is to be hurried who sits at a breakpoint.
            timeout=0,
            slow_request=0,
            queue_timeout="5m",
        )
        access = logging.getLogger("monopod.access")
        had, to_django = (access.level, access.propagate), _AsDjango()
        access.addHandler(to_django)
        access.setLevel(logging.INFO)
        access.propagate = False
        try:
            with _handover.serving(server):
                server.wait()
        finally:
            access.removeHandler(to_django)
            # Not the attribute, as whether a level is on is remembered.
            access.setLevel(had[0])
            access.propagate = had[1]
            self._listener.close()


class _AsDjango(logging.Handler):
    """Access records as those of Django's `runserver`: logger, level and text."""

    def emit(self, record: logging.LogRecord) -> None:
        request = getattr(record, "monopod", {})
        status = request.get("status", 0)
        level = logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO
        target = request.get("path", "") + ("?" + request["query"] if request.get("query") else "")
        line = f"{request.get('method')} {target} {request.get('version')}"
        extra = {"status_code": status, "server_time": time.strftime("%d/%b/%Y %H:%M:%S")}
        logging.getLogger("django.server").log(level, '"%s" %s %s', line, status, request.get("bytes"), extra=extra)


class Command(RunserverCommand):  # type: ignore[misc]
    """Django's command with another server."""

    help = "Starts a development server (monopod), which also serves static files."
    server_cls = DevelopmentServer

    def run(self, **options: Any) -> None:
        """Bind the address for all children of the reloader."""
        is_parent = options["use_reloader"] and os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) != "true"
        if not is_parent:
            super().run(**options)
            return
        try:
            listener = _handover.hand_over(self.addr, int(self.port), ipv6=self.use_ipv6)
        except OSError as error:
            # A name that is not known has a number of its own.
            self.stderr.write(f"Error: {SENTENCES.get(error.errno or 0, error)}")
            sys.exit(1)
        with listener:
            super().run(**options)

    def get_handler(self, *args: Any, **options: Any) -> Any:
        """Django's application; one of its own handlers where monopod is to look for its static files."""
        application = BareCommand.get_handler(self, *args, **options)
        is_wanted = options["use_static_handler"] and (settings.DEBUG or options["insecure_serving"])
        if is_wanted and apps.is_installed("django.contrib.staticfiles"):
            return StaticFilesByMonopod(application)
        # A plain function is none of Django's handlers.
        return lambda environ, start_response: application(environ, start_response)
