"""Results of searches and metrics queries as clients read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from google.protobuf.json_format import ParseDict

from tempo_dask.api.encode_metrics import encode_query_instant, encode_query_range
from tempo_dask.api.encode_search import encode_search_json, encode_search_protobuf
from tempo_dask.api.pb.tempo_pb2 import SearchResponse
from tempo_dask.engine.results import (
    Exemplar,
    FoundSpan,
    FoundTrace,
    Labels,
    QueryMetrics,
    RangeResult,
    SearchResult,
    Series,
    SpanSet,
)

NAN = float("nan")
METRICS = QueryMetrics(inspected_bytes=123, total_blocks=3, total_jobs=5, completed_jobs=4, total_block_bytes=1 << 40)
TRACE = FoundTrace(
    trace_id=bytes.fromhex("00af7651916cd43dd8448eb211c80319"),
    start_ns=1_684_778_327_699_392_724,
    duration_ns=557_999_999,
    root_service="shop",
    root_name="GET /cart",
    span_sets=(
        SpanSet(
            (
                FoundSpan(
                    bytes.fromhex("00000000000000a1"),
                    1_684_778_327_735_077_898,
                    446_979_497,
                    "0",
                    (("status", "error"), ("code", 500), ("ratio", 0.5), ("ok", False), ("tags", ("a", "b"))),
                ),
                FoundSpan(bytes.fromhex("b2" * 8), 5, 0),
            ),
            12,
            (("count()", 12),),
        ),
        SpanSet((), 0),
    ),
    service_stats={"shop": (10, 1), "": (2, 0)},
)


def range_of(*series: Series, message: str = "") -> RangeResult:
    return RangeResult(np.array([0, 60_000_000_000, 120_000_000_000]), series, QueryMetrics(), message)


def series_of(values: list[float], *labels: tuple[str, Any], exemplars: tuple[Exemplar, ...] = ()) -> Series:
    return Series(labels, np.array(values, dtype=np.float64), exemplars)


def test_search_in_json() -> None:
    [trace] = (found := orjson.loads(encode_search_json(SearchResult((TRACE,), METRICS))))["traces"]
    assert trace["traceID"] == "af7651916cd43dd8448eb211c80319"
    assert (trace["startTimeUnixNano"], trace["durationMs"]) == ("1684778327699392724", 557)
    assert (trace["rootServiceName"], trace["rootTraceName"]) == ("shop", "GET /cart")
    assert trace["serviceStats"] == {"shop": {"spanCount": 10, "errorCount": 1}, "": {"spanCount": 2}}
    assert trace["spanSet"] == trace["spanSets"][0]
    assert trace["spanSets"][0] == {
        "spans": [
            {
                "spanID": "00000000000000a1",
                "name": "0",
                "startTimeUnixNano": "1684778327735077898",
                "durationNanos": "446979497",
                "attributes": [
                    {"key": "status", "value": {"stringValue": "error"}},
                    {"key": "code", "value": {"intValue": "500"}},
                    {"key": "ratio", "value": {"doubleValue": 0.5}},
                    {"key": "ok", "value": {"boolValue": False}},
                    {"key": "tags", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}},
                ],
            },
            {"spanID": "b2" * 8, "startTimeUnixNano": "5"},
        ],
        "matched": 12,
        "attributes": [{"key": "count()", "value": {"intValue": "12"}}],
    }
    assert found["metrics"] == {
        "inspectedBytes": "123",
        "totalBlocks": 3,
        "completedJobs": 4,
        "totalJobs": 5,
        "totalBlockBytes": "1099511627776",
    }


def test_protobuf_of_a_search_says_the_same() -> None:
    result = SearchResult((TRACE,), METRICS)
    message = SearchResponse.FromString(encode_search_protobuf(result))
    assert message == ParseDict(orjson.loads(encode_search_json(result)), SearchResponse())
    assert message.traces[0].spanSets[0].matched == 12


def test_nothing_found_is_an_empty_list() -> None:
    assert encode_search_json(SearchResult((), QueryMetrics())) == b'{"traces":[],"metrics":{}}'
    assert SearchResponse.FromString(encode_search_protobuf(SearchResult((), QueryMetrics()))).HasField("metrics")


@pytest.mark.parametrize(
    ("service", "name", "said"),
    [
        (None, None, {"rootServiceName": "<root span not yet received>"}),
        (None, "GET /", {"rootServiceName": "<root span not yet received>", "rootTraceName": "GET /"}),
        ("shop", None, {"rootServiceName": "shop"}),
    ],
)
def test_missing_roots(service: str | None, name: str | None, said: dict[str, str]) -> None:
    result = SearchResult((FoundTrace(b"\x11" * 16, 1, 0, service, name),), QueryMetrics())
    [trace] = orjson.loads(encode_search_json(result))["traces"]
    assert trace == {"traceID": "11" * 16, "startTimeUnixNano": "1", **said}


def test_a_range_leaves_out_nan_and_says_zero_by_silence() -> None:
    result = range_of(series_of([0.0, NAN, 2.5], ("svc", "a")), series_of([NAN] * 3, ("svc", "b")))
    assert orjson.loads(encode_query_range(result)) == {
        "series": [
            {
                "labels": [{"key": "svc", "value": {"stringValue": "a"}}],
                "samples": [{"timestampMs": "0"}, {"timestampMs": "120000", "value": 2.5}],
            }
        ],
        "metrics": {},
    }


def test_a_range_without_series_keeps_the_list_and_an_instant_does_not() -> None:
    assert encode_query_range(range_of()) == b'{"series":[],"metrics":{}}'
    assert encode_query_instant(range_of()) == b'{"metrics":{}}'


def test_series_stand_by_number_of_labels_then_key_then_value() -> None:
    labels: list[Labels] = [(("b", "x"),), (("a", "y"), ("b", "x")), (), (("a", "z"),), (("a", "y"),)]
    result = range_of(*(series_of([1.0, 1.0, 1.0], *found) for found in labels))
    found = [
        [(label["key"], label["value"]["stringValue"]) for label in series["labels"]]
        for series in orjson.loads(encode_query_range(result))["series"]
    ]
    assert found == [[], [("a", "y")], [("a", "z")], [("b", "x")], [("a", "y"), ("b", "x")]]


def test_exemplars_ascend_in_time() -> None:
    exemplars = (Exemplar((("trace:id", "2"),), 0.5, 2_000_000), Exemplar((("trace:id", "1"),), 0.0, 1_000_000))
    [series] = orjson.loads(encode_query_range(range_of(series_of([1.0, 1.0, 1.0], exemplars=exemplars))))["series"]
    assert series["exemplars"] == [
        {"labels": [{"key": "trace:id", "value": {"stringValue": "1"}}], "timestampMs": "1"},
        {"labels": [{"key": "trace:id", "value": {"stringValue": "2"}}], "value": 0.5, "timestampMs": "2"},
    ]


def test_infinite_samples_travel_as_text() -> None:
    [series] = orjson.loads(encode_query_range(range_of(series_of([float("inf"), -float("inf"), NAN]))))["series"]
    assert [sample["value"] for sample in series["samples"]] == ["Infinity", "-Infinity"]


def test_a_partial_answer_says_why() -> None:
    found = orjson.loads(encode_query_range(range_of(message="too many series")))
    assert (found["status"], found["message"]) == ("PARTIAL", "too many series")


def test_an_instant_gives_one_value_per_series() -> None:
    result = range_of(series_of([1.5], ("a", "x")), series_of([0.0], ("a", "y")), series_of([NAN], ("a", "z")))
    assert orjson.loads(encode_query_instant(result))["series"] == [
        {"labels": [{"key": "a", "value": {"stringValue": "x"}}], "value": 1.5},
        {"labels": [{"key": "a", "value": {"stringValue": "y"}}]},
    ]
