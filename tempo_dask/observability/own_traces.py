"""Traces of this service itself: a span for each query and for each request that is taken in, sent by OTLP over HTTP.

Spans wait in a bounded queue for a thread that sends them every few seconds. Where the other side is slow or gone the
oldest are dropped: no request ever waits for its span.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from prometheus_client import Counter

from tempo_dask.api.query_report import QueryReport
from tempo_dask.config.tracing import Tracing
from tempo_dask.otlp_client import ExportRequest, OtlpClient, Unreachable
from tempo_dask.telemetry import REGISTRY, VERSION

SEND_EVERY_S = 5.0
QUEUE_SPANS = 4096
_LONGEST_PATH = 2048
#: W3C's header: version, trace, span, flags.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED = 1
_SERVER_ERROR = 500

DROPPED = Counter("tempo_dask_own_spans_dropped", "Spans of our own that could not be sent.", registry=REGISTRY)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parent:
    """The span of a caller, and whether its trace is recorded."""

    trace_id: bytes
    span_id: bytes
    is_sampled: bool

    @classmethod
    def of(cls, traceparent: str) -> Parent | None:
        """Read the header; None where there is none, or one that cannot be read."""
        found = _TRACEPARENT.fullmatch(traceparent)
        if found is None or not int(found[1], 16) or not int(found[2], 16):
            return None
        return cls(bytes.fromhex(found[1]), bytes.fromhex(found[2]), bool(int(found[3], 16) & _SAMPLED))


@dataclass(slots=True)
class OwnTraces:
    """Keeps spans until they are sent; `record` and the like are for any thread, `step` is for one."""

    settings: Tracing
    node: str
    _client: OtlpClient = field(init=False)
    _waiting: deque[Span] = field(default_factory=lambda: deque(maxlen=QUEUE_SPANS))

    def __post_init__(self) -> None:
        """Find the endpoint. Raises Unreachable where it is no address."""
        self._client = OtlpClient(self.settings.otlp_endpoint, connections=1)

    def record_query(self, report: QueryReport) -> None:
        """Keep the span of a query."""
        cost = report.cost
        self.record(
            report.route,
            report.started_ns,
            report.seconds,
            report.status,
            {
                "tenant": report.tenant,
                "http.request.method": report.method,
                "url.path": report.path[:_LONGEST_PATH],
                "http.response.status_code": report.status,
                "http.response.body.size": report.sent_bytes,
                "tempo.inspected_bytes": cost.inspected_bytes,
                "tempo.inspected_traces": cost.inspected_traces,
                "tempo.total_blocks": cost.total_blocks,
            },
            Parent.of(report.traceparent),
        )

    def record(
        self,
        name: str,
        started_ns: int,
        seconds: float,
        status: int,
        attributes: Mapping[str, str | int],
        parent: Parent | None = None,
    ) -> None:
        """Keep a span of a server, in its caller's trace or in one of its own, unless it is not to be recorded."""
        if not (self._is_chosen() if parent is None else parent.is_sampled):
            return
        if len(self._waiting) == QUEUE_SPANS:
            DROPPED.inc()
        self._waiting.append(
            Span(
                trace_id=secrets.token_bytes(16) if parent is None else parent.trace_id,
                span_id=secrets.token_bytes(8),
                parent_span_id=b"" if parent is None else parent.span_id,
                name=name,
                kind=Span.SPAN_KIND_SERVER,
                start_time_unix_nano=started_ns,
                end_time_unix_nano=started_ns + int(seconds * 1e9),
                attributes=[_attribute(key, value) for key, value in attributes.items()],
                status=Status(code=Status.STATUS_CODE_ERROR if status >= _SERVER_ERROR else Status.STATUS_CODE_UNSET),
            )
        )

    def step(self) -> None:
        """Send what waits; what cannot be sent is dropped."""
        spans = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not spans:
            return
        try:
            wrong = self._client.send(ExportRequest(self._request(spans), len(spans), "spans of our own"))
        except Unreachable as error:
            wrong = str(error)
        if wrong is not None:
            DROPPED.inc(len(spans))
            log.warning("%d spans of our own are dropped: %s", len(spans), wrong)

    def close(self, timeout_s: float) -> None:
        """Send what waits, which may take `timeout_s`; then end a wait for a patient answer."""
        last = threading.Thread(target=self.step, name="last own traces", daemon=True)
        last.start()
        last.join(timeout_s)
        self._client.__exit__(None, None, None)

    def _is_chosen(self) -> bool:
        """Return whether a trace that begins here is recorded."""
        return secrets.randbelow(1 << 30) < self.settings.sample_ratio * (1 << 30)

    def _request(self, spans: list[Span]) -> bytes:
        resource = Resource(
            attributes=[
                _attribute("service.name", self.settings.service_name),
                _attribute("service.version", VERSION),
                _attribute("service.instance.id", self.node),
            ]
        )
        scope = ScopeSpans(scope=InstrumentationScope(name="tempo_dask", version=VERSION), spans=spans)
        group = ResourceSpans(resource=resource, scope_spans=[scope])
        return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


def _attribute(key: str, value: str | int) -> KeyValue:
    return KeyValue(
        key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
    )
