"""Shows which thread and database connection answered, and what they did before.

A server that keeps its threads shows rising `requests` and `connections_opened` of 1.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from django.core.signals import request_started
from django.db import connection
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


class Seen(threading.local):
    """Counts of the current thread."""

    requests = 0
    connections_opened = 0


seen = Seen()


@receiver(request_started)
def count_request(**_: Any) -> None:
    """One more request on this thread, to whatever URL."""
    seen.requests += 1


@receiver(connection_created)
def count_connection(**_: Any) -> None:
    """One more database connection; an `id()` may be used again, a count is not."""
    seen.connections_opened += 1


@never_cache
@require_safe
def status(request: HttpRequest) -> JsonResponse:
    """The current thread, its connection and its counts."""
    connection.ensure_connection()
    thread = threading.current_thread()
    return JsonResponse(
        {
            "pid": os.getpid(),
            "thread": {"name": thread.name, "ident": thread.ident, "requests": seen.requests},
            "database": {
                "connection_id": id(connection.connection),
                "connections_opened": seen.connections_opened,
            },
        }
    )
