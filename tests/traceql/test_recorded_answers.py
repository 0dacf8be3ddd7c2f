"""The oracle finds what Tempo found, over the recorded traces; an eighth of them, since it is slow."""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.oracle import Found, search
from tests.oracle_display import displayed
from tests.oracle_fields import At
from tests.oracle_otlp import read_records, spans_of
from tests.oracle_spans import Span
from traceql import Query, parse
from traceql.ast import Static
from traceql.durations import format_duration
from traceql.types import StaticType

ONE_IN = 8

# Where Tempo is wrong, or shows how it stores things; by the text of the query.
DIFFERENT = {
    "{ nestedSetRight > 10 }": "children are numbered by start, not by arrival",
    "{ } | select(instrumentation:name, nestedSetParent, nestedSetLeft, nestedSetRight)": "the same",
    "{ span:childCount > 2 }": "children are counted in broken traces too",
    "{ span:childCount = 0 }": "the same",
    "{ span.region = nil }": "a span without any attribute lacks this one too",
    "{ span.list.str = nil }": "the same",
    "{ span.none = nil }": "the same",
    "{ kind = server } &>> { status = error }": "of nested ancestors each takes part, not the outermost alone",
    "{ status = error } &<< { kind = server }": "the same",
    "{ } | max(span.http.status_code) >= 500": "spans without the attribute do not spoil the maximum",
    "{ } | min(.http.status_code) = 200": "an absent status code is not shown as nil",
    "{ } | by(span.http.status_code) | count() > 2": "the same",
    "{ status = error } | select(span.http.status_code, name, duration)": "the same",
}


@cache
def recorded(shared: Path) -> dict[str, bytes]:
    """The recorded case, as JSON, of each search that found what it found whatever the limit."""
    with lzma.open(shared / "conformance" / "golden.jsonl.xz") as lines:
        return {case["params"]["q"]: line for line in lines if (case := _request(line)) is not None}


def _request(line: bytes) -> dict[str, Any] | None:
    """What was asked, if it is such a search; its answer is long and read only where it is needed."""
    case = json.loads(line.partition(b', "content_type"')[0] + b"}")
    is_search = case["path"] == "/api/search" and case["status"] == 200 and case["group"] != "search.limit"
    return case if is_search and case["params"].get("q") and case["params"].get("limit") == "1000" else None


@cache
def spans(shared: Path) -> list[Span]:
    every = spans_of(read_records(shared / "conformance" / "traces.rec.gz"))
    return [span for span in every if int(span.trace_id, 16) % ONE_IN == 0]


@pytest.mark.parametrize("part", range(8))
def test_oracle_agrees_with_recorded_searches(shared: Path, part: int) -> None:
    broken = set(json.loads((shared / "conformance" / "broken.json").read_text()))
    cases = list(recorded(shared).items())[part::8]
    assert len(cases) > 20
    for text, line in cases:
        if text in DIFFERENT:
            continue
        case = orjson.loads(line)
        ignored = broken if case.get("ignore_broken") else set()
        query = parse(text)
        found = {trace_id: _found(query, one) for trace_id, one in search(query, spans(shared)).items()}
        expected = {trace["traceID"].zfill(32): _recorded(trace) for trace in case["body"]["traces"]}
        expected = {trace_id: trace for trace_id, trace in expected.items() if int(trace_id, 16) % ONE_IN == 0}
        for trace_id in ignored:
            found.pop(trace_id, None)
            expected.pop(trace_id, None)
        assert found == expected, text


def test_every_difference_is_still_recorded(shared: Path) -> None:
    assert set(DIFFERENT) <= recorded(shared).keys()


# ---- both sides in one form ----


def _found(query: Query, found: Found) -> tuple[object, ...]:
    trace = found.trace
    spansets = [
        (
            len(spanset.places),
            _attributes(_any_value(key, value) for key, value in spanset.attributes),
            frozenset(
                (
                    trace.spans[place].span_id,
                    trace.spans[place].start_ns,
                    trace.spans[place].duration_ns,
                    _attributes(_any_value(key, value) for key, value in displayed(query, At(trace, place))),
                )
                for place in spanset.places
            ),
        )
        for spanset in found.spansets
    ]
    return (
        trace.root_service or "<root span not yet received>",
        trace.root_name,
        trace.start_ns,
        trace.duration_ns // 1_000_000,
        trace.service_stats,
        sorted(spansets, key=repr),
    )


def _with_name(span: dict[str, Any]) -> list[dict[str, Any]]:
    named = [{"key": "name", "value": {"stringValue": span["name"]}}] if "name" in span else []
    return named + span.get("attributes", [])


def _recorded(trace: dict[str, Any]) -> tuple[object, ...]:
    spansets = [
        (
            spanset["matched"],
            _attributes((one["key"], _recorded_value(one["value"])) for one in spanset.get("attributes", [])),
            frozenset(
                (
                    span["spanID"].zfill(16),
                    int(span["startTimeUnixNano"]),
                    int(span.get("durationNanos", 0)),
                    _attributes((one["key"], _recorded_value(one["value"])) for one in _with_name(span)),
                )
                for span in spanset["spans"]
            ),
        )
        for spanset in trace["spanSets"]
    ]
    stats = {
        service: (one.get("spanCount", 0), one.get("errorCount", 0)) for service, one in trace["serviceStats"].items()
    }
    return (
        trace.get("rootServiceName", ""),
        trace.get("rootTraceName", ""),
        int(trace["startTimeUnixNano"]),
        int(trace.get("durationMs", 0)),
        stats,
        sorted(spansets, key=repr),
    )


def _attributes(pairs: Any) -> tuple[tuple[str, object], ...]:
    return tuple(sorted(pairs, key=repr))


def _recorded_value(value: dict[str, Any]) -> object:
    match value:
        case {"stringValue": text}:
            return text.encode()[:2048]  # Tempo cuts here
        case {"intValue": digits}:
            return int(digits)
        case {"arrayValue": {"values": values}}:
            return tuple(_recorded_value(item) for item in values)
        case {"doubleValue": number} | {"boolValue": number}:
            return number
    raise TypeError(value)


def _any_value(key: str, static: Static) -> tuple[str, object]:
    value = static.value
    match static.type:
        case StaticType.NIL:
            return key, b"nil"
        case StaticType.DURATION:
            return key, format_duration(value).encode()
        case StaticType.STATUS | StaticType.KIND:
            return key, value.name.lower().encode()
        case StaticType.STRING:
            return key, value.encode()[:2048]
        case StaticType.STRING_ARRAY:
            return key, tuple(item.encode() for item in value)
    return key, value
