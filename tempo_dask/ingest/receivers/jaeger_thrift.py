"""Jaeger's batches in Thrift: a struct over HTTP, the argument of `emitBatch` in a datagram."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tempo_dask.ingest.receivers.jaeger_model import Batch, Log, Process, Reference, Span, Tags, Value
from tempo_dask.ingest.receivers.otlp_building import NANOSECONDS_IN_MICROSECOND
from tempo_dask.ingest.receivers.thrift_structs import Field, Struct, read_struct
from tempo_dask.ingest.receivers.thrift_wire import (
    BOOL,
    DOUBLE,
    I32,
    I64,
    LIST,
    STRING,
    STRUCT,
    BinaryReader,
    Reader,
)
from tempo_dask.ingest.records import MalformedRequest

_TAG: Final = Struct(
    "jaeger.Tag",
    {
        1: Field("key", STRING, required=True, text=True),
        2: Field("vType", I32, required=True),
        3: Field("vStr", STRING, text=True),
        4: Field("vDouble", DOUBLE),
        5: Field("vBool", BOOL),
        6: Field("vLong", I64),
        7: Field("vBinary", STRING),
    },
)
_LOG: Final = Struct(
    "jaeger.Log",
    {1: Field("timestamp", I64, required=True), 2: Field("fields", LIST, required=True, struct=_TAG)},
)
_REFERENCE: Final = Struct(
    "jaeger.SpanRef",
    {
        1: Field("refType", I32, required=True),
        2: Field("traceIdLow", I64, required=True),
        3: Field("traceIdHigh", I64, required=True),
        4: Field("spanId", I64, required=True),
    },
)
_SPAN: Final = Struct(
    "jaeger.Span",
    {
        1: Field("traceIdLow", I64, required=True),
        2: Field("traceIdHigh", I64, required=True),
        3: Field("spanId", I64, required=True),
        4: Field("parentSpanId", I64, required=True),
        5: Field("operationName", STRING, required=True, text=True),
        6: Field("references", LIST, struct=_REFERENCE),
        7: Field("flags", I32, required=True),
        8: Field("startTime", I64, required=True),
        9: Field("duration", I64, required=True),
        10: Field("tags", LIST, struct=_TAG),
        11: Field("logs", LIST, struct=_LOG),
    },
)
_PROCESS: Final = Struct(
    "jaeger.Process",
    {1: Field("serviceName", STRING, required=True, text=True), 2: Field("tags", LIST, struct=_TAG)},
)
_BATCH: Final = Struct(
    "jaeger.Batch",
    {
        1: Field("process", STRUCT, required=True, struct=_PROCESS),
        2: Field("spans", LIST, required=True, struct=_SPAN),
    },
)
_ARGUMENTS: Final = Struct("agent.EmitBatchArgs", {1: Field("batch", STRUCT, required=True, struct=_BATCH)})

#: The field of a tag that holds its value, by `vType`, with what it is where the field is missing.
_VALUES: Final[Mapping[int, tuple[str, Value]]] = {
    0: ("vStr", ""),
    1: ("vDouble", 0.0),
    2: ("vBool", False),
    3: ("vLong", 0),
    4: ("vBinary", b""),
}


def read_batch(body: bytes) -> Batch:
    """Return the batch that a body over HTTP is. Raises MalformedRequest."""
    return _batch(read_struct(BinaryReader(body), _BATCH))


def read_datagram(reader: Callable[[bytes], Reader], datagram: bytes) -> Batch:
    """Return the batch that a datagram emits, read by one of the protocols. Raises MalformedRequest."""
    message = reader(datagram)
    if (name := message.message()) != "emitBatch":
        msg = f"expected a call of emitBatch, found {name!r}"
        raise MalformedRequest(msg)
    return _batch(read_struct(message, _ARGUMENTS)["batch"])


def _batch(batch: Mapping[str, Any]) -> Batch:
    process = batch["process"]
    return Batch(
        spans=[_span(span) for span in batch["spans"]],
        process=Process(process["serviceName"], _tags(process.get("tags", ()))),
    )


def _span(span: Mapping[str, Any]) -> Span:
    return Span(
        trace_id=_trace_id(span),
        span_id=_id(span["spanId"]),
        parent_id=_id(span["parentSpanId"]),
        name=span["operationName"],
        start_ns=span["startTime"] * NANOSECONDS_IN_MICROSECOND,
        duration_ns=span["duration"] * NANOSECONDS_IN_MICROSECOND,
        references=[
            Reference(_trace_id(reference), _id(reference["spanId"]), is_child_of=reference["refType"] == 0)
            for reference in span.get("references", ())
        ],
        tags=_tags(span.get("tags", ())),
        logs=[Log(log["timestamp"] * NANOSECONDS_IN_MICROSECOND, _tags(log["fields"])) for log in span.get("logs", ())],
    )


def _tags(tags: Sequence[Mapping[str, Any]]) -> Tags:
    return [(tag["key"], _value(tag)) for tag in tags]


def _value(tag: Mapping[str, Any]) -> Value:
    kind: int = tag["vType"]
    if kind not in _VALUES:
        return f'<Unknown Jaeger TagType "{kind}">'
    name, missing = _VALUES[kind]
    value: Value = tag.get(name, missing)
    return value


def _trace_id(ids: Mapping[str, int]) -> bytes:
    return _id(ids["traceIdHigh"]) + _id(ids["traceIdLow"])


def _id(number: int) -> bytes:
    return number.to_bytes(8, "big", signed=True)
