"""One application, many behaviours: the first segment of the path names a function of the modules below.

`application` is bare; `validated` is the same inside `wsgiref.validate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from wsgiref.validate import validator

import accel
import bodies
import errors
import files
import heads
import lasting
import requests_seen
import threads_seen

ROOMS = (requests_seen, heads, bodies, files, errors, threads_seen, lasting, accel)


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    name = environ["PATH_INFO"].split("/")[1]
    for room in ROOMS:
        if name in room.PAGES:
            return room.PAGES[name](environ, start_response)
    body = b"nothing here\n"
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


validated = validator(application)
