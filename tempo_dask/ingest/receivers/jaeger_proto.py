"""Jaeger's batches in protobuf."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import DecodeError

from tempo_dask.ingest.receivers.jaeger_model import Batch, Log, Process, Reference, Span, Tags, Value
from tempo_dask.ingest.receivers.pb import jaeger_pb2
from tempo_dask.ingest.records import MalformedRequest

SECOND_NS = 10**9

#: The field of a tag that holds its value, by `v_type`.
_VALUES: Final = ("v_str", "v_bool", "v_int64", "v_float64", "v_binary")


def read_request(message: bytes) -> Batch:
    """Return the batch of a `PostSpansRequest`. Raises MalformedRequest."""
    try:
        batch = jaeger_pb2.PostSpansRequest.FromString(message).batch
    except DecodeError as error:
        raise MalformedRequest(str(error)) from error
    process = _process(batch.process)
    return Batch(spans=[_span(span) for span in batch.spans], process=process, has_otlp_tags=True)


def _process(process: jaeger_pb2.Process) -> Process:
    return Process(process.service_name, _tags(process.tags))


def _span(span: jaeger_pb2.Span) -> Span:
    return Span(
        trace_id=_trace_id(span.trace_id),
        span_id=_span_id(span.span_id),
        parent_id=bytes(8),
        name=span.operation_name,
        start_ns=span.start_time.seconds * SECOND_NS + span.start_time.nanos,
        duration_ns=span.duration.seconds * SECOND_NS + span.duration.nanos,
        references=[
            Reference(_trace_id(reference.trace_id), _span_id(reference.span_id), is_child_of=reference.ref_type == 0)
            for reference in span.references
        ],
        tags=_tags(span.tags),
        logs=[Log(log.timestamp.seconds * SECOND_NS + log.timestamp.nanos, _tags(log.fields)) for log in span.logs],
        process=_process(span.process) if span.HasField("process") else None,
    )


def _tags(tags: Iterable[jaeger_pb2.KeyValue]) -> Tags:
    return [(tag.key, _value(tag)) for tag in tags]


def _value(tag: jaeger_pb2.KeyValue) -> Value:
    if not 0 <= tag.v_type < len(_VALUES):
        return f'<Unknown Jaeger TagType "{tag.v_type}">'
    value: Value = getattr(tag, _VALUES[tag.v_type])
    return value


def _trace_id(raw: bytes) -> bytes:
    """Return an id in 16 bytes; one of 8 is the low half."""
    if len(raw) not in (0, 8, 16):
        msg = "invalid length for TraceID"
        raise MalformedRequest(msg)
    return raw.rjust(16, b"\0")


def _span_id(raw: bytes) -> bytes:
    if len(raw) not in (0, 8):
        msg = "invalid length for SpanID"
        raise MalformedRequest(msg)
    return raw.rjust(8, b"\0")
