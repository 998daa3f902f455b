"""A stand-in for a Datadog agent: what ddtrace sends it, decoded (msgpack, in the agent's format 0.4 or 0.5)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack

from receiver import Post, Receiver

# What the tracer asks first, and takes for the agent's abilities.
INFO = json.dumps({"version": "7.60.0", "endpoints": ["/v0.4/traces", "/v0.5/traces"], "client_drop_p0s": False})
# A span of the format 0.5 is an array in this order; text is an index into a table.
ORDER = (
    "service", "name", "resource", "trace_id", "span_id", "parent_id", "start", "duration", "error", "meta", "metrics",
    "type",
)  # fmt: skip


@dataclass(frozen=True)
class Span:
    """One span; ids are the low 64 bits, as a number."""

    name: str
    resource: str
    service: str
    trace: int
    parent: int
    error: int
    kind: str
    tags: dict[str, Any]


def agent() -> Receiver:
    return Receiver({"/info": INFO.encode()})


def spans(posts: list[Post]) -> list[Span]:
    found = []
    for post in posts:
        if post.path in ("/v0.4/traces", "/v0.5/traces"):
            payload = msgpack.unpackb(post.body, strict_map_key=False)
            traces = payload if post.path == "/v0.4/traces" else _by_name(*payload)
            for span in (span for trace in traces for span in trace):
                ids = span["trace_id"], span.get("parent_id") or 0
                head = span["name"], span["resource"], span["service"]
                found.append(Span(*head, *ids, span.get("error", 0), span.get("type") or "", dict(span["meta"])))
    return found


def _by_name(table: list[str], traces: list[Any]) -> list[list[dict[str, Any]]]:
    def named(values: list[Any]) -> dict[str, Any]:
        span = dict(zip(ORDER, values, strict=True))
        for name in ("service", "name", "resource", "type"):
            span[name] = table[span[name]]
        span["meta"] = {table[key]: table[value] for key, value in span["meta"].items()}
        return span

    return [[named(span) for span in trace] for trace in traces]


def span(name: str, path: str) -> Callable[[list[Post]], Span | None]:
    """The one called `name` of the request to `path`."""

    def look(posts: list[Post]) -> Span | None:
        found = [span for span in spans(posts) if span.name == name and span.tags.get("http.url", "").endswith(path)]
        assert len(found) < 2, found
        return found[0] if found else None

    return look
