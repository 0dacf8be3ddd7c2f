"""What limits take out of a request that is otherwise accepted: whole traces, and ends of long attributes.

The client sees success. Kernels find out whether there is anything to take out, so a request that keeps within its
limits stays the bytes it was; only the others are taken apart.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tempo_dask import telemetry
from tempo_dask.ingest.limits import IngestLimits, LimitsOf
from tempo_dask.ingest.live_traces import LivePeriods, LiveTraces, TraceId


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of a request."""

    body: bytes
    spans: int


#: Takes (tenant, body that was checked, its spans), returns what is kept.
Trim: TypeAlias = Callable[[str, bytes, int], Kept]


def keep_all(_tenant: str, body: bytes, spans: int) -> Kept:
    """Keep everything."""
    return Kept(body, spans)


class TraceSizes(Protocol):
    """The traces of a request: ids as pairs of int64 (n, 2), bytes and spans of each."""

    @property
    def ids(self) -> Any:
        """Return the ids."""
        ...

    @property
    def size_bytes(self) -> Any:
        """Return the bytes of each."""
        ...

    @property
    def spans(self) -> Any:
        """Return the spans of each."""
        ...


class Trimmer:
    """Trims requests to the limits of their tenants. `trim` is for one thread."""

    def __init__(
        self,
        limits_of: LimitsOf,
        trace_sizes: Callable[[bytes, int], TraceSizes],
        count_longer: Callable[[bytes, int], int],
        monotonic: Callable[[], float] = time.monotonic,
        periods: LivePeriods | None = None,
    ) -> None:
        self._limits_of = limits_of
        self._trace_sizes = trace_sizes
        self._count_longer = count_longer
        self._monotonic = monotonic
        self._live: defaultdict[str, LiveTraces] = defaultdict(lambda: LiveTraces(periods or LivePeriods()))

    def trim(self, tenant: str, body: bytes, spans: int) -> Kept:
        """Return what a tenant's limits leave of a request that was checked."""
        limits = self._limits_of(tenant)
        kept = Kept(body, spans)
        if limits.max_traces_per_user or limits.max_bytes_per_trace:
            kept = self._without_traces(tenant, kept, limits)
        if kept.spans and limits.max_attribute_bytes:
            kept = self._cut(tenant, kept, limits.max_attribute_bytes)
        return kept

    def _without_traces(self, tenant: str, request: Kept, limits: IngestLimits) -> Kept:
        """Discard the spans of traces that are too many or too large."""
        found = self._trace_sizes(request.body, request.spans)
        live, now_s = self._live[tenant], self._monotonic()
        refused: set[TraceId] = set()
        discarded = 0
        for trace_id, size, spans in zip(
            map(tuple, found.ids.tolist()), found.size_bytes.tolist(), found.spans.tolist(), strict=True
        ):
            if reason := live.refusal(trace_id, size, limits, now_s):
                refused.add(trace_id)
                discarded += spans
                telemetry.DISCARDED_SPANS.labels(reason, tenant).inc(spans)
        if not refused:
            return request
        return Kept(_without(request.body, refused), request.spans - discarded)

    def _cut(self, tenant: str, request: Kept, limit: int) -> Kept:
        """Cut keys and texts of attributes to `limit` bytes."""
        if not (longer := self._count_longer(request.body, limit)):
            return request
        telemetry.ATTRIBUTES_TRUNCATED.labels(tenant).inc(longer)
        message = ExportTraceServiceRequest.FromString(request.body)
        for attribute in _attributes(message):
            attribute.key = _first_bytes(attribute.key, limit)
            if attribute.value.HasField("string_value"):
                attribute.value.string_value = _first_bytes(attribute.value.string_value, limit)
        return Kept(message.SerializeToString(), request.spans)


def _without(body: bytes, refused: set[TraceId]) -> bytes:
    """Return a request without the spans of some traces."""
    message = ExportTraceServiceRequest.FromString(body)
    for resource_spans in message.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            kept = [span for span in scope_spans.spans if _id(span.trace_id) not in refused]
            if len(kept) < len(scope_spans.spans):
                copies = [type(span).FromString(span.SerializeToString()) for span in kept]
                del scope_spans.spans[:]
                scope_spans.spans.extend(copies)
    left: bytes = message.SerializeToString()
    return left


def _id(trace_id: bytes) -> TraceId:
    """Return an id as the kernel has it."""
    return (
        int.from_bytes(trace_id[:8], "little", signed=True),
        int.from_bytes(trace_id[8:], "little", signed=True),
    )


def _attributes(message: ExportTraceServiceRequest) -> Iterator[Any]:
    """Yield every attribute of resources, scopes, spans, events and links."""
    for resource_spans in message.resource_spans:
        yield from resource_spans.resource.attributes
        for scope_spans in resource_spans.scope_spans:
            yield from scope_spans.scope.attributes
            for span in scope_spans.spans:
                yield from span.attributes
                for event in span.events:
                    yield from event.attributes
                for link in span.links:
                    yield from link.attributes


def _first_bytes(text: str, limit: int) -> str:
    """Return what fits into `limit` bytes of UTF-8, characters being whole."""
    return text.encode()[:limit].decode(errors="ignore")
