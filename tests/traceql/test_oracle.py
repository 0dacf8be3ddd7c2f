"""The oracle gives the worked examples of the language, over the one trace they are about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import EvaluationError, search
from tests.oracle_spans import Span, Trace
from traceql import parse
from traceql.types import Kind, Status

FRONT, CART = {"service.name": "front"}, {"service.name": "cart"}
CODE_AND_TAGS = {"code": 500, "tags": ["x", "y"]}
MS = 1_000_000


def span(letter: str, parent: str, name: str, kind: Kind, start: int, duration: int, **more: Any) -> Span:
    ids = {"span_id": letter.lower().zfill(16), "parent_id": parent.lower().zfill(16) if parent else ""}
    return Span(
        trace_id="1".zfill(32), name=name, kind=kind, start_ns=start * MS, duration_ns=duration * MS, **ids, **more
    )


SPANS = [
    span("A", "", "GET /", Kind.SERVER, 0, 100, resource=FRONT, attributes={"http.method": "GET", "code": 200}),
    span("B", "A", "call cart", Kind.CLIENT, 10, 80, resource=FRONT, attributes={"peer": "cart"}),
    span("C", "B", "GetCart", Kind.SERVER, 15, 60, resource=CART, status=Status.ERROR, attributes=CODE_AND_TAGS),
    span("D", "C", "SELECT", Kind.CLIENT, 20, 30, resource=CART, attributes={"rows": 3}),
    span("E", "A", "render", Kind.INTERNAL, 92, 5, resource=FRONT, status=Status.OK),
]


def found(query: str) -> list[str]:
    """The letters of the matching spans, a text per spanset."""
    results = search(parse(query), SPANS).values()
    return sorted("".join("ABCDE"[place] for place in spanset.places) for one in results for spanset in one.spansets)


@pytest.mark.parametrize(
    ("query", "spansets"),
    [
        ("{}", ["ABCDE"]),
        ("{ span.code = 500 }", ["C"]),
        ("{ span.code != 500 }", ["A"]),
        ("{ span.code = nil }", ["BDE"]),
        ("{ span.code >= 200 && status = unset }", ["A"]),
        ('{ span.code = "500" }', []),
        ("{ span.code + 1 = 501 }", ["C"]),
        ('{ span.tags != "x" }', ["C"]),
        ('{ name =~ "G.*" }', ["AC"]),
        ('{ name =~ "ET" }', []),
        ("{ duration > 50ms && duration < 90ms }", ["BC"]),
        ("{ kind = server } > { kind = client }", ["BD"]),
        ("{ kind = server } >> { status = error }", ["C"]),
        ("{ status = error } << {}", ["AB"]),
        ("{ status = error } < {}", ["B"]),
        ('{ name = "call cart" } ~ {}', ["E"]),
        ("{ status = error } !>> {}", ["ABCE"]),
        ('{ name = "absent" } !> { kind = client }', ["BD"]),
        ("{ kind = client } &> { kind = server }", ["BC"]),
        ("{ status = error } && { kind = internal }", ["CE"]),
        ('{ status = error } && { name = "absent" }', []),
        ('{ status = error } || { name = "absent" }', ["C"]),
        ("{} | count() > 4", ["ABCDE"]),
        ("{} | count() > 5", []),
        ('{ resource.service.name = "cart" } | avg(duration) > 40ms', ["CD"]),
        ("{} | by(resource.service.name) | count() > 2", ["ABE"]),
        ("{} | by(resource.service.name) | count() > 1", ["ABE", "CD"]),
        ("{ duration > 70ms } | { kind = client }", ["B"]),
        ("{ nestedSetParent < 0 }", ["A"]),
        ("{ kind = client } | max(duration) = 80ms", ["BD"]),
        ("{ 4 < span.rows || 2 < span.rows }", ["D"]),
        ("{ 2 ^ 3 = 8 && span.rows ^ 2 = 9 }", ["D"]),
        ("{ !(span.code = 200) }", ["BCDE"]),
        ("{ (span.code = 200) = false }", ["BCDE"]),
        ("{ true || name = `x` }", ["ABCDE"]),
        ("{ span.rows / 0 = 1 || span.rows % 0 = 1 }", []),
        ("{ span.rows = 3.0 && span.rows = 3ns }", ["D"]),
        ("{} | by(resource.service.name) | coalesce()", ["ABCDE"]),
        ("({} | by(resource.service.name)) || ({ false })", ["ABCDE"]),
        ("{} | by(1 + span.rows)", ["ABCE", "D"]),
        ("{ span:childCount = 2 }", ["A"]),
    ],
)
def test_worked_example(query: str, spansets: list[str]) -> None:
    assert found(query) == spansets


@pytest.mark.parametrize(
    "query", ["{ !span.code }", "{ -name > 1 || -span.peer = 1 }", "{ span.tags + 1 = 2 }", "({} | by(name)) >> ({})"]
)
def test_what_cannot_be_evaluated_fails(query: str) -> None:
    with pytest.raises(EvaluationError):
        found(query)


def test_summary_and_numbers() -> None:
    trace = Trace(tuple(SPANS))
    assert trace.numbers == ((1, 10, -1), (2, 7, 1), (3, 6, 2), (4, 5, 3), (8, 9, 1))
    assert (trace.root_service, trace.root_name, trace.duration_ns) == ("front", "GET /", 100 * MS)
    assert trace.service_stats == {"front": (3, 0), "cart": (2, 1)}


# Tempo overlooks that a span without any attribute lacks this one too.
WITHOUT_ATTRIBUTES = "{ span.code = nil }"
T0 = 1_767_225_610_000_000_000


def test_recorded_examples_agree(shared: Path) -> None:
    lines = (shared / "conformance" / "examples.jsonl").read_text().splitlines()
    searches = [case for case in map(json.loads, lines) if case["path"] == "/api/search" and case["status"] == 200]
    compared = 0
    for case in searches:
        spansets = [spanset for trace in case["body"]["traces"] for spanset in trace.get("spanSets", [])]
        is_whole = all(len(spanset["spans"]) == spanset["matched"] for spanset in spansets)
        query = case["params"].get("q")
        if query and is_whole and query != WITHOUT_ATTRIBUTES:
            assert found(query) == sorted(map(letters, spansets)), query
            compared += 1
    assert compared >= 25


def letters(spanset: dict[str, Any]) -> str:
    """The spans of a recorded spanset; no two start together."""
    starts = {int(one["startTimeUnixNano"]) - T0 for one in spanset["spans"]}
    return "".join(letter for letter, one in zip("ABCDE", SPANS, strict=True) if one.start_ns in starts)
