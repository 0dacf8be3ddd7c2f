"""Requests of the API while they run and when they are answered, as `tempo_request_*`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from tempo_dask.api.contracts import Answered
from tempo_dask.telemetry import REGISTRY, REQUEST_DURATION

_SIZES = tuple(2.0**n for n in range(10, 31, 4))

INFLIGHT = Gauge("tempo_inflight_requests", "Requests that run now.", ["method", "route"], registry=REGISTRY)
RECEIVED = Histogram(
    "tempo_request_message_bytes", "Size of requests' bodies.", ["method", "route"], buckets=_SIZES, registry=REGISTRY
)
SENT = Histogram(
    "tempo_response_message_bytes", "Size of answers.", ["method", "route"], buckets=_SIZES, registry=REGISTRY
)

TOOL_CALLS = Counter(
    "tempo_query_frontend_mcp_calls", "Calls of tools by language models.", ["tool"], registry=REGISTRY
)


class RequestMetrics:
    """Counts what the API is asked."""

    def began(self, method: str, route: str) -> None:
        """Count a request that runs."""
        INFLIGHT.labels(method, route).inc()

    def ended(self, answered: Answered) -> None:
        """Count a request that is over."""
        method, route = answered.method, answered.route
        INFLIGHT.labels(method, route).dec()
        REQUEST_DURATION.labels(method, route, str(answered.status), "false").observe(answered.seconds)
        RECEIVED.labels(method, route).observe(answered.received_bytes)
        SENT.labels(method, route).observe(answered.sent_bytes)

    def called(self, tool: str) -> None:
        """Count the call of a tool."""
        TOOL_CALLS.labels(tool).inc()
