"""Nested-set numbers and traces against a slow oracle that follows the rules one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.columns import SpanTables
from storage.kernels.number import break_cycles, find_parents, number_nested
from storage.merge import merge
from tests.otlp_oracle import Link, Span
from tests.storage.builder import SPAN, tables_of
from tests.storage.strategies import tree_spans

QUICK = settings(deadline=None, max_examples=100)
SERVER, CLIENT = 2, 3


def a_span(number: int, parent: int | None = None, start: int = 1_000, **fields: object) -> Span:
    parent_id = None if parent is None else parent.to_bytes(8)
    return replace(SPAN, span_id=number.to_bytes(8), parent_span_id=parent_id, start=start, **fields)


@dataclass(eq=False)
class Node:
    span: Span
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    left: int = 0
    right: int = 0

    @property
    def above(self) -> int:
        if self.span.parent_span_id is None:
            return -1
        return self.parent.left if self.parent else 0


def parent_of(node: Node, nodes: Sequence[Node]) -> Node | None:
    """Say which span a parent id names, before cycles are looked for."""
    named = [other for other in nodes if other.span.span_id == node.span.parent_span_id]
    if node.span.parent_span_id is None or not named:
        return None
    wanted = CLIENT if node.span.kind == SERVER else SERVER
    fitting = [other for other in named if other.span.kind == wanted]
    return fitting[0] if len(named) == 2 and fitting else named[0]


def cycle_of(node: Node) -> list[Node]:
    """Return the cycle that `node` lies on, if any."""
    walked = [node]
    while (above := walked[-1].parent) is not None and above not in walked:
        walked.append(above)
    return walked if above is node else []


def number(trace: Sequence[Span]) -> list[Node]:
    """Return the spans of a trace (sorted by start and id) in pre-order, numbered."""
    nodes = [Node(span) for span in trace]
    for node in nodes:
        node.parent = parent_of(node, nodes)
    for node in nodes:  # the first span of a cycle meets it first
        if cycle_of(node):
            node.parent = None
    for node in nodes:
        if node.parent:
            node.parent.children.append(node)
    ordered: list[Node] = []
    count = 0

    def walk(node: Node) -> None:
        nonlocal count
        ordered.append(node)
        node.left = count = count + 1
        for child in node.children:
            walk(child)
        node.right = count = count + 1

    for node in nodes:
        if node.parent is None:
            walk(node)
    return ordered


def traces_of(sent: Sequence[Span]) -> list[list[Span]]:
    traces: dict[bytes, list[Span]] = {}
    for span in sorted(set(sent), key=lambda s: (s.start, s.span_id, s.kind)):
        traces.setdefault(span.trace_id, []).append(span)
    return sorted(traces.values(), key=lambda trace: (trace[0].start, trace[0].trace_id))


def column(table: pa.Table, name: str) -> list[object]:
    values = table.column(name)
    return (values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values).to_pylist()


def shape(tables: SpanTables) -> list[tuple[object, ...]]:
    names = ("trace", "span_id", "kind", "nested_left", "nested_right", "nested_parent")
    return list(zip(*(column(tables.spans, name) for name in names), strict=True))


@QUICK
@given(st.lists(tree_spans, max_size=14, unique_by=lambda s: (s.trace_id, s.start, s.span_id, s.kind)))
def test_numbers_are_the_oracles(sent: list[Span]) -> None:
    expected = [
        (at, node.span.span_id, node.span.kind, node.left, node.right, node.above)
        for at, trace in enumerate(traces_of(sent))
        for node in number(trace)
    ]
    assert shape(merge([tables_of(sent)])) == expected


def service(span: Span) -> str | None:
    return next((value[1] for key, value in span.resource.attributes if key == "service.name"), None)


@QUICK
@given(st.lists(tree_spans, max_size=14, unique_by=lambda s: (s.trace_id, s.start, s.span_id, s.kind)))
def test_traces_are_the_oracles(sent: list[Span]) -> None:
    traces = merge([tables_of(sent)]).table("traces")
    first = 0
    for row, trace in zip(range(traces.num_rows), traces_of(sent), strict=True):
        found = {name: column(traces, name)[row] for name in traces.column_names}
        root = [span for span in trace if span.parent_span_id is None][-1:]
        counts = Counter(service(span) or "" for span in trace)
        errors = Counter(service(span) or "" for span in trace if span.status == 2)
        assert found.pop("services") is not None
        assert found == {
            "trace_id": trace[0].trace_id,
            "first_span": first,
            "span_count": len(trace),
            "start": min(span.start for span in trace),
            "end": max(max(span.start, span.end) for span in trace),
            "root_service": service(root[0]) if root else None,
            "root_name": root[0].name if root else None,
        }
        entries = column(traces, "services")[row]
        assert {e["service"]: (e["spans"], e["errors"]) for e in entries} == {s: (counts[s], errors[s]) for s in counts}
        assert len(entries) == len(counts)
        first += len(trace)


def test_children_of_a_shared_id_find_their_side() -> None:
    sent = [
        a_span(1),
        a_span(2, parent=1, start=1_001, kind=CLIENT),
        a_span(2, parent=1, start=1_002, kind=SERVER),
        a_span(3, parent=2, start=1_003, kind=SERVER),
        a_span(4, parent=2, start=1_004),
    ]
    assert [row[1:] for row in shape(merge([tables_of(sent)]))] == [
        (sent[0].span_id, 1, 1, 10, -1),
        (sent[1].span_id, CLIENT, 2, 5, 1),
        (sent[3].span_id, SERVER, 3, 4, 2),
        (sent[2].span_id, SERVER, 6, 9, 1),
        (sent[4].span_id, 1, 7, 8, 6),
    ]


def test_a_span_that_is_its_own_parent_is_an_orphan() -> None:
    assert [row[3:] for row in shape(merge([tables_of([a_span(1, parent=1)])]))] == [(1, 2, 0)]


def test_a_child_of_link_says_that_a_span_is_no_root() -> None:
    reference = (("opentracing.ref_type", ("str", "child_of")),)
    link = Link(SPAN.trace_id, bytes(7) + b"\x01", "", 0, reference, 0)
    elsewhere = replace(link, trace_id=b"\x09" * 16)
    sent = [a_span(1, name="root"), a_span(2, start=1_001, name="linked", links=(link,))]
    assert column(merge([tables_of(sent)]).table("traces"), "root_name") == ["root"]
    sent[1] = replace(sent[1], links=(elsewhere,))
    assert column(merge([tables_of(sent)]).table("traces"), "root_name") == ["linked"]


def test_a_chain_of_a_hundred_thousand_spans() -> None:
    count = 100_000
    ids = np.arange(1, count + 1, dtype=np.uint64)
    has_parent = ids > 1
    bounds = np.array([0, count], np.int32)
    parents = find_parents(bounds, ids, ids - np.uint64(1), has_parent, np.ones(count, np.int32), 7)
    break_cycles(parents)
    order, left, right, above = number_nested(bounds, parents)
    assert (order == np.arange(count)).all()
    assert (left == np.arange(1, count + 1)).all()
    assert (right == np.arange(2 * count, count, -1)).all()
    assert (above[1:] == left[:-1]).all()


def test_a_ring_of_a_hundred_thousand_spans() -> None:
    count = 100_000
    ids = np.arange(count, dtype=np.uint64)
    bounds = np.array([0, count], np.int32)
    above_ids = np.roll(ids, 1)
    parents = find_parents(bounds, ids, above_ids, np.ones(count, np.bool_), np.ones(count, np.int32), 7)
    break_cycles(parents)
    assert parents[0] == -2
    assert sorted(number_nested(bounds, parents)[0]) == list(range(count))


def test_many_spans_of_one_id_and_time_cost_no_square() -> None:
    count = 100_000
    same = np.zeros(count, np.uint64)
    bounds = np.array([0, count], np.int32)
    parents = find_parents(bounds, same, same, np.ones(count, np.bool_), np.ones(count, np.int32), 7)
    break_cycles(parents)
    assert parents[0] == -2
    assert set(parents[1:]) == {0}
