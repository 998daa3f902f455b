"""A view of 50 ms, as one that asks a database."""

import time
from collections.abc import Callable, Iterable
from typing import Any

ANSWER = b"waited\n" * 100


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    time.sleep(0.05)
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(ANSWER)))]
    start_response("200 OK", headers)
    return [ANSWER]
