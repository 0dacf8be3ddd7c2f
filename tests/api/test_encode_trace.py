"""A trace goes out as it came in, in both forms."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from storage.columns import SpanTables
from tempo_dask.api.encode_llm import encode_trace_llm
from tempo_dask.api.encode_trace import (
    encode_trace_json,
    encode_trace_protobuf,
    encode_trace_response_json,
    encode_trace_response_protobuf,
)
from tempo_dask.api.pb.tempo_pb2 import Trace, TraceByIDResponse
from tempo_dask.engine.results import QueryMetrics, TraceResult
from tests.otlp_oracle import Event, Link, Resource, Scope, Span, by_id, requests_to_spans, tables_to_spans
from tests.storage import strategies
from tests.storage.builder import tables_of

CLIENT, SERVER = 3, 2
DEEP = {"key": "deep", "value": {"boolValue": True}}

#: Spans of a trace without ids that a CLIENT and a SERVER share: these are told apart on purpose.
plain_spans = st.lists(strategies.spans, min_size=1, max_size=5).map(
    lambda spans: [replace(span, kind=SERVER if span.kind == CLIENT else span.kind) for span in spans]
)


def make_span(number: int, parent: int | None = None, **fields: Any) -> Span:
    """Return a span with an id of that number and nothing else."""
    bare: dict[str, Any] = {
        "trace_id": bytes(15) + b"\x07",
        "span_id": number.to_bytes(8, "big"),
        "parent_span_id": None if parent is None else parent.to_bytes(8, "big"),
        "start": 1_000 + number,
        "end": 2_000,
        "name": "",
        "kind": 0,
        "status": 0,
        "status_message": "",
        "trace_state": "",
        "flags": 0,
        "attributes": (),
        "dropped_attributes": 0,
        "dropped_events": 0,
        "dropped_links": 0,
        "events": (),
        "links": (),
        "resource": Resource(),
        "scope": Scope(),
    }
    return Span(**{**bare, **fields})


def json_of(tables: SpanTables) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(encode_trace_json(tables))["batches"]
    return found


def only_span(tables: SpanTables) -> dict[str, Any]:
    [batch] = json_of(tables)
    [scope] = batch["scopeSpans"]
    [span] = scope["spans"]
    return span  # type: ignore[no-any-return]


@settings(deadline=None, max_examples=15)
@given(plain_spans)
def test_protobuf_holds_every_field(spans: list[Span]) -> None:
    """The bare `Trace` of the first version has the wire form of an export request."""
    tables = tables_of(spans)
    assert by_id(requests_to_spans([encode_trace_protobuf(tables)])) == by_id(tables_to_spans(tables))


@settings(deadline=None, max_examples=15)
@given(plain_spans)
def test_json_says_what_protobuf_says(spans: list[Span]) -> None:
    """Read by protobuf's own JSON reader, the JSON form is the protobuf form."""
    tables = tables_of(spans)
    read = ParseDict({"resourceSpans": json_of(tables)}, ExportTraceServiceRequest())
    expected = ExportTraceServiceRequest.FromString(encode_trace_protobuf(tables))
    assert requests_to_spans([read.SerializeToString()]) == requests_to_spans([expected.SerializeToString()])


@settings(deadline=None, max_examples=15)
@given(plain_spans)
def test_second_version_holds_the_same_trace(spans: list[Span]) -> None:
    result = TraceResult(tables_of(spans), QueryMetrics(inspected_bytes=12))
    tables = tables_of(spans)
    message = TraceByIDResponse.FromString(encode_trace_response_protobuf(result))
    assert message.trace == Trace.FromString(encode_trace_protobuf(tables))
    assert message.metrics.inspectedBytes == 12
    found = orjson.loads(encode_trace_response_json(result))
    assert found == {"trace": {"resourceSpans": json_of(tables)}, "metrics": {"inspectedBytes": "12"}}


def test_unknown_trace_is_an_empty_message() -> None:
    nothing = TraceResult(None, QueryMetrics())
    assert orjson.loads(encode_trace_response_json(nothing)) == {"trace": {}, "metrics": {}}
    message = TraceByIDResponse.FromString(encode_trace_response_protobuf(nothing))
    assert message.HasField("trace")
    assert message.HasField("metrics")
    assert encode_trace_llm(nothing) == b"{}"


def test_bare_span_prints_no_zero_fields() -> None:
    [batch] = json_of(tables_of([make_span(1, start=0, end=0)]))
    assert batch == {
        "resource": {},
        "scopeSpans": [
            {
                "scope": {},
                "spans": [{"traceId": "AAAAAAAAAAAAAAAAAAAABw==", "spanId": "AAAAAAAAAAE=", "status": {}}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (("str", ""), {"stringValue": ""}),
        (("int", -(2**63)), {"intValue": "-9223372036854775808"}),
        (("bool", False), {"boolValue": False}),
        (("float", "3ff8000000000000"), {"doubleValue": 1.5}),
        (("float", "7ff0000000000000"), {"doubleValue": "Infinity"}),
        (("float", "fff0000000000000"), {"doubleValue": "-Infinity"}),
        (("float", "7ff8000000000000"), {"doubleValue": "NaN"}),
        (("bytes", b"\x00\xff"), {"bytesValue": "AP8="}),
        (("none",), {}),
        (("array",), {"arrayValue": {}}),
        (("array", ("int", 1), ("int", 2)), {"arrayValue": {"values": [{"intValue": "1"}, {"intValue": "2"}]}}),
        (("array", ("int", 1), ("str", "a")), {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}]}}),
        (
            ("kvlist", ("k", ("kvlist", ("deep", ("bool", True))))),
            {"kvlistValue": {"values": [{"key": "k", "value": {"kvlistValue": {"values": [DEEP]}}}]}},
        ),
    ],
)
def test_json_of_each_kind_of_value(value: tuple[Any, ...], said: dict[str, Any]) -> None:
    assert only_span(tables_of([make_span(1, attributes=(("k", value),))]))["attributes"] == [
        {"key": "k", "value": said}
    ]


def test_enums_print_by_name_and_unknown_ones_by_number() -> None:
    named = only_span(tables_of([make_span(1, kind=SERVER, status=2, status_message="no")]))
    assert (named["kind"], named["status"]) == ("SPAN_KIND_SERVER", {"code": "STATUS_CODE_ERROR", "message": "no"})
    assert only_span(tables_of([make_span(1, kind=9)]))["kind"] == 9


def test_spans_stand_by_start_and_groups_by_first_span() -> None:
    late, early = Resource((("n", ("str", "late")),)), Resource((("n", ("str", "early")),))
    spans = [
        make_span(4, resource=late),
        make_span(3, resource=early),
        make_span(2, resource=late),
        make_span(1, resource=early),
    ]
    batches = json_of(tables_of(spans))
    starts = [[int(span["startTimeUnixNano"]) for span in batch["scopeSpans"][0]["spans"]] for batch in batches]
    assert starts == [[1001, 1003], [1002, 1004]]


def test_server_span_with_the_id_of_its_client_gets_its_own() -> None:
    """The fresh id is the smallest unused number; the client becomes the parent, children follow the server span."""
    spans = [
        make_span(1),
        make_span(9, 1, kind=CLIENT, name="client"),
        make_span(9, 1, kind=SERVER, name="server", start=1_010),
        make_span(12, 9, name="child"),
    ]
    found = {
        span["name"]: (b64decode(span["spanId"])[-1], b64decode(span["parentSpanId"])[-1])
        for scope in json_of(tables_of(spans))[0]["scopeSpans"]
        for span in scope["spans"]
        if "name" in span
    }
    assert found == {"client": (9, 1), "server": (2, 9), "child": (12, 2)}


def test_llm_shape_has_hex_ids_and_bare_values() -> None:
    span = make_span(
        1,
        name="GET /",
        kind=SERVER,
        start=1_000_000,
        end=3_500_000,
        resource=Resource((("service.name", ("str", "shop")), ("n", ("int", 2)))),
        scope=Scope("lib", "1"),
        attributes=(("tags", ("array", ("str", "a"), ("str", "b"))), ("m", ("kvlist", ("k", ("none",))))),
        events=(Event(7, "e", (("x", ("float", "3ff8000000000000")),), 0),),
        links=(Link(b"\x01" * 16, b"\x02" * 8, "", 0, (), 0),),
    )
    found = orjson.loads(encode_trace_llm(TraceResult(tables_of([span]), QueryMetrics(inspected_bytes=5))))
    assert found == {
        "trace": {
            "traceId": "00000000000000000000000000000007",
            "services": [
                {
                    "serviceName": "shop",
                    "resource": {"service.name": "shop", "n": 2},
                    "scopes": [
                        {
                            "name": "lib",
                            "version": "1",
                            "spans": [
                                {
                                    "spanId": "0000000000000001",
                                    "name": "GET /",
                                    "kind": "SPAN_KIND_SERVER",
                                    "startTimeUnixNano": "1000000",
                                    "endTimeUnixNano": "3500000",
                                    "durationMs": 2.5,
                                    "attributes": {"tags": ["a", "b"], "m": {"k": None}},
                                    "events": [{"name": "e", "timeUnixNano": "7", "attributes": {"x": 1.5}}],
                                    "links": [{"traceId": "01" * 16, "spanId": "02" * 8}],
                                    "status": {"code": "STATUS_CODE_UNSET"},
                                }
                            ],
                        }
                    ],
                }
            ],
        },
        "metrics": {"inspectedBytes": 5},
    }
