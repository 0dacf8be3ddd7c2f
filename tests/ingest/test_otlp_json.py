"""OTLP/JSON says the same as OTLP/protobuf."""

from __future__ import annotations

import gzip
from contextlib import nullcontext
from pathlib import Path

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tempo_dask.ingest.receivers.otlp_json import to_protobuf
from tempo_dask.ingest.records import MalformedRequest
from tests.otlp_oracle import requests_to_spans


def request(**span: object) -> bytes:
    span = {"traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708", **span}
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


def span_of(body: bytes):
    return ExportTraceServiceRequest.FromString(to_protobuf(body)).resource_spans[0].scope_spans[0].spans[0]


def test_ids_are_hex_wherever_they_stand() -> None:
    link = {"trace_id": "AB" * 16, "spanId": "cd" * 8}
    span = span_of(request(parentSpanId="1112131415161718", links=[link]))
    assert span.trace_id == bytes(range(1, 17))
    assert span.parent_span_id == bytes(range(0x11, 0x19))
    assert (span.links[0].trace_id, span.links[0].span_id) == (b"\xab" * 16, b"\xcd" * 8)


def test_an_attribute_that_looks_like_an_id_is_left_alone() -> None:
    attribute = {
        "key": "traceId",
        "value": {"kvlistValue": {"values": [{"key": "spanId", "value": {"intValue": "7"}}]}},
    }
    span = span_of(request(attributes=[attribute]))
    assert span.attributes[0].value.kvlist_value.values[0].value.int_value == 7


def test_recorded_lines_say_what_the_protobuf_says(shared: Path) -> None:
    lines = gzip.decompress((shared / "data/samples/otlp-json/essvt.otlp.jsonl.gz").read_bytes()).splitlines()
    raw = gzip.decompress((shared / "data/essvt.otlp.pb.gz").read_bytes())
    bodies, at = [], 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        bodies.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    assert requests_to_spans([to_protobuf(line) for line in lines]) == requests_to_spans(bodies)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000, b'{"resourceSpans":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"resourceSpans": 5}', b'{"resourceSpans": [5]}',
        request(name=5), request(kind="NOPE"), request(status={"code": "STATUS_CODE_NOPE"}),
        request(traceId=5), request(traceId="zz"), request(traceId="01" * 15), request(spanId="0"),
        request(startTimeUnixNano="abc"), request(startTimeUnixNano=-1), request(startTimeUnixNano=str(2**64)),
    ],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
def test_what_is_no_otlp_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        to_protobuf(body)


def test_the_message_names_the_field() -> None:
    with pytest.raises(MalformedRequest, match=r"^resourceSpans\.scopeSpans\.spans\.name: "):
        to_protobuf(request(name=5))


@pytest.mark.parametrize("depth", [20, 90, 1000])
def test_deep_nesting_of_values_is_no_crash(depth: int) -> None:
    value = b'{"intValue":1}'
    for _ in range(depth):
        value = b'{"arrayValue":{"values":[' + value + b"]}}"
    body = request(attributes=[{"key": "k", "value": "?"}]).replace(b'"?"', value)
    with pytest.raises(MalformedRequest, match="depth") if depth > 20 else nullcontext():
        to_protobuf(body)
