"""OTLP requests, checked and decoded in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from storage.columns import SpanTables
from tempo_dask.kernels import otlp_loop


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one request: accepted where `error` is None, else refused with that text.

    `malformed` says that it does not even decode; with an error and without `malformed`, the write path refuses it.
    """

    error: str | None
    malformed: bool
    spans: int


def check(bodies: Sequence[bytes]) -> tuple[Verdict, ...]:
    """Return a verdict for each request body of a commit group."""
    return tuple(_check(body) for body in bodies)


def _check(body: bytes) -> Verdict:
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return Verdict("unexpected EOF", malformed=True, spans=0)
    spans = [s for r in request.resource_spans for ss in r.scope_spans for s in ss.spans]
    for span in spans:
        for owner in (span, *span.links):
            if len(owner.trace_id) not in (0, 16):
                return Verdict("unmarshal: invalid TraceID length", malformed=True, spans=0)
            if len(owner.span_id) not in (0, 8):
                return Verdict("unmarshal: invalid SpanID length", malformed=True, spans=0)
        if len(span.parent_span_id) not in (0, 8):
            return Verdict("unmarshal: invalid SpanID length", malformed=True, spans=0)
    for span in spans:
        if not any(span.trace_id):
            return Verdict("trace ids must be 128 bit, received 0 bits", malformed=False, spans=len(spans))
        if not any(span.span_id):
            error = "span ids must be 64 bit and not all zero, received 0 bits"
            return Verdict(error, malformed=False, spans=len(spans))
    return Verdict(None, malformed=False, spans=len(spans))


def decode(bodies: Sequence[bytes]) -> SpanTables:
    """Return the spans of checked request bodies as columns, in order of arrival."""
    return otlp_loop.decode(bodies)
