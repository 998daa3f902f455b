"""Answers each request with what it saw of it, as JSON, and remembers it under the client's port.

Paths that begin with `/-` are for the tests and are not remembered.
"""

import json
import os
import threading

seen: dict[str, list[str]] = {}
lock = threading.Lock()
closed = threading.Event()


class Endless:
    """A body that goes on until somebody closes it."""

    def __iter__(self):
        return self

    def __next__(self):
        return b"x" * 65536

    def close(self):
        closed.set()


def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/-endless":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Endless()
    if path == "/-seen":
        with lock:
            answer = seen.pop(query, []) if query else seen.copy()
    elif path == "/-closed":
        answer = closed.wait(10)
    elif path == "/-pid":
        answer = os.getpid()
    else:
        with lock:
            seen.setdefault(environ["REMOTE_PORT"], []).append(f"{environ['REQUEST_METHOD']} {path}")
        body = environ["wsgi.input"].read().decode("latin-1")
        strings = {key: str(value) for key, value in environ.items() if isinstance(value, (str, bool))}
        answer = {"environ": strings, "body": body}
    text = json.dumps(answer).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))]
    if path == "/inject":
        headers.append(("X-Echo", f"a\r\nInjected: {query}"))
    start_response("200 OK", headers)
    return [text]
