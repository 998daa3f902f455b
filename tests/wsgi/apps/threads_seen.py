"""Which thread runs a request, and what it remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from knock import knock
from requests_seen import as_json

PAGES: dict[str, Any] = {}
memory = threading.local()


def page(function: Any) -> Any:
    PAGES[function.__name__] = function
    return function


@page
def thread(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """This thread, its count of requests in a threading.local, and all threads' names; after the gate."""
    knock(environ, "in the application")
    memory.count = getattr(memory, "count", 0) + 1
    current = threading.current_thread()
    return as_json(
        start_response,
        {
            "ident": current.ident,
            "name": current.name,
            "count": memory.count,
            "all": [known.name for known in threading.enumerate()],
            "multithread": environ["wsgi.multithread"],
            "multiprocess": environ["wsgi.multiprocess"],
        },
    )
