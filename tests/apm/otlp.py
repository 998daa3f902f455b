"""What an OpenTelemetry exporter sends over HTTP, decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from receiver import Post

SERVER = 2  # Span.SpanKind
ERROR = 2  # Status.StatusCode


@dataclass(frozen=True)
class Span:
    """One span, with ids as a `traceparent` has them."""

    name: str
    kind: int
    trace: str
    parent: str
    attributes: dict[str, Any]
    events: dict[str, dict[str, Any]]
    status: int
    service: str

    @property
    def path(self) -> str:
        """By the old and the new semantic conventions."""
        told = self.attributes.get("url.path") or self.attributes.get("http.target") or self.attributes["http.url"]
        return str(told).partition("?")[0]


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def spans(posts: list[Post]) -> list[Span]:
    """All of them, of requests."""
    found = []
    for post in posts:
        if post.path != "/v1/traces":
            continue
        for resource in ExportTraceServiceRequest.FromString(post.body).resource_spans:
            service = _values(resource.resource.attributes)["service.name"]
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                events = {event.name: _values(event.attributes) for event in span.events}
                ids = span.trace_id.hex(), span.parent_span_id.hex()
                found.append(
                    Span(span.name, span.kind, *ids, _values(span.attributes), events, span.status.code, service)
                )
    return found


def span(path: str) -> Callable[[list[Post]], Span | None]:
    """The one of the request to `path`."""

    def look(posts: list[Post]) -> Span | None:
        found = [span for span in spans(posts) if span.path.endswith(path)]
        assert len(found) < 2, found
        return found[0] if found else None

    return look


def metrics(posts: list[Post]) -> set[str]:
    """The names of those that came."""
    requests = [ExportMetricsServiceRequest.FromString(post.body) for post in posts if post.path == "/v1/metrics"]
    scopes = [
        scope for request in requests for resource in request.resource_metrics for scope in resource.scope_metrics
    ]
    return {metric.name for scope in scopes for metric in scope.metrics}
