"""Answers each request with what it saw of it, as JSON, and remembers it under the client's port.

Paths that begin with `/-` are for the tests and are not remembered.
"""

import json
import os
import threading
from collections import Counter, defaultdict

seen: dict[str, list[str]] = {}
lock = threading.Lock()
changed = threading.Condition(lock)
# By the client's port: a request is held in the application, and may go on.
held: dict[str, threading.Event] = defaultdict(threading.Event)
go: dict[str, threading.Event] = defaultdict(threading.Event)
counts: Counter[str] = Counter()
of_this_thread = threading.local()
PLAIN = [("Content-Type", "text/plain")]


class Body:
    """A body of `kind` that is counted, and leaves something in its thread until it is closed."""

    def __init__(self, kind):
        self.kind = kind
        self.given = 0
        self.closes = 0
        if getattr(of_this_thread, "body", None):
            count("left over")
        of_this_thread.body = self
        count("opened")

    def __iter__(self):
        return self

    def __next__(self):
        self.given += 1
        if self.kind == "raises" or (self.kind == "raises-late" and self.given > 2):
            raise RuntimeError("of a body")
        if self.kind == "none" or (self.kind != "endless" and self.given > 3):
            raise StopIteration
        return b"x" * 65536

    def close(self):
        self.closes += 1
        if self.closes > 1:
            count("closed twice")
        else:
            count("closed")
        if of_this_thread.body is self:
            of_this_thread.body = None


def count(what):
    with changed:
        counts[what] += 1
        changed.notify_all()


def body(kind, start_response):
    length = {"short": 4 * 65536, "long": 2 * 65536}.get(kind)
    start_response("200 OK", PLAIN + ([("Content-Length", str(length))] if length else []))
    return Body(kind)


def bodies():
    """The counts, once every body is closed or ten seconds are over."""
    with changed:
        changed.wait_for(lambda: counts["opened"] == counts["closed"], 10)
        return {name: counts[name] for name in ("opened", "closed", "closed twice", "left over")}


def injected(path, start_response):
    """An answer that has what the path says in its status, or in a header's name or value."""
    _, _, where, text = path.split("/", 3)
    said = {place: text if place == where else "" for place in ("status", "name", "value")}
    start_response("200 OK" + said["status"], [*PLAIN, ("X-Echo" + said["name"], "a" + said["value"])])
    return [b"body"]


def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/-body":
        return body(query, start_response)
    if path == "/-bodies":
        answer = bodies()
    elif path == "/-seen":
        with lock:
            answer = seen.pop(query, []) if query else seen.copy()
    elif path == "/-held":
        answer = held[query].wait(10)
    elif path == "/-go":
        with lock:
            answer = list(seen.get(query, []))
        go[query].set()
    elif path == "/-pid":
        answer = os.getpid()
    else:
        port = environ["REMOTE_PORT"]
        with lock:
            seen.setdefault(port, []).append(f"{environ['REQUEST_METHOD']} {path}")
        if query == "held":
            held[port].set()
            go[port].wait(10)
            # The kernel gives the port to another client.
            del held[port], go[port]
        content = environ["wsgi.input"].read().decode("latin-1")
        if path.startswith("/inject/"):
            return injected(path, start_response)
        strings = {key: str(value) for key, value in environ.items() if isinstance(value, (str, bool))}
        answer = {"environ": strings, "body": content}
    text = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]
