"""A trace laid out for encoding: its columns as lists, its spans ordered and grouped by resource and scope."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from storage.columns import SpanTables

_SERVER, _CLIENT = 2, 3


@dataclass(frozen=True, slots=True)
class SpanRows:
    """The fields of the spans of one trace, one item per span; absent parents are empty."""

    trace_ids: list[bytes]
    ids: list[bytes]
    parents: list[bytes]
    start_ns: list[int]
    end_ns: list[int]
    kinds: list[int]


@dataclass(frozen=True, slots=True)
class ScopeGroup:
    """Spans (row numbers, by start and id) under one row of scopes."""

    scope: int
    spans: list[int]


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """Scopes under one row of resources."""

    resource: int
    scopes: list[ScopeGroup]


def column(table: pa.Table, name: str) -> list[Any]:
    """Return a column as Python values; integers and texts have no nulls here and take the fast way."""
    values: Any = table.column(name)
    if pa.types.is_dictionary(values.type):
        encoded = values.combine_chunks()
        texts = encoded.dictionary.to_pylist()
        return [texts[code] for code in encoded.indices.to_numpy().tolist()]
    return list(values.to_numpy().tolist() if pa.types.is_integer(values.type) else values.to_pylist())


def times(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return a column of times as unsigned nanoseconds, as they were sent."""
    signed: np.ndarray[Any, np.dtype[np.int64]] = table.column(name).cast(pa.int64()).to_numpy()
    return signed.view(np.uint64)


def span_rows(tables: SpanTables) -> SpanRows:
    """Return the spans' fields, with a shared span id told apart (see `part_shared_ids`)."""
    spans = tables.spans
    start = times(spans, "start")
    rows = SpanRows(
        trace_ids=column(spans, "trace_id"),
        ids=column(spans, "span_id"),
        parents=[parent or b"" for parent in column(spans, "parent_span_id")],
        start_ns=start.tolist(),
        end_ns=(start + times(spans, "duration_ns")).tolist(),
        kinds=column(spans, "kind"),
    )
    return part_shared_ids(rows)


def part_shared_ids(rows: SpanRows) -> SpanRows:
    """Give the SERVER span an id of its own where a CLIENT span has the same (as Zipkin's senders make them).

    The new id is the smallest number not in use; the CLIENT span becomes the parent, and the children of the
    shared id follow the SERVER span.
    """
    kinds_of: dict[bytes, set[int]] = defaultdict(set)
    for span_id, kind in zip(rows.ids, rows.kinds, strict=True):
        kinds_of[span_id].add(kind)
    shared = {span_id for span_id, kinds in kinds_of.items() if {_SERVER, _CLIENT} <= kinds}
    if not shared:
        return rows
    fresh = _fresh_ids(shared, rows, frozenset(kinds_of))
    ids, parents = list(rows.ids), list(rows.parents)
    for row, span_id in enumerate(rows.ids):
        if span_id in shared and rows.kinds[row] == _SERVER:
            ids[row], parents[row] = fresh[span_id], span_id
        elif parents[row] in shared:
            parents[row] = fresh[parents[row]]
    return replace(rows, ids=ids, parents=parents)


def _fresh_ids(shared: set[bytes], rows: SpanRows, used: frozenset[bytes]) -> dict[bytes, bytes]:
    """Return a new id for each shared one, counting up in the order of the spans."""
    fresh: dict[bytes, bytes] = {}
    number = 0
    for span_id in rows.ids:
        if span_id in shared and span_id not in fresh:
            number += 1
            while number.to_bytes(8, "big") in used:
                number += 1
            fresh[span_id] = number.to_bytes(8, "big")
    return fresh


def grouped(tables: SpanTables, rows: SpanRows) -> list[ResourceGroup]:
    """Return spans by start, then id, inside each scope; scopes and resources by their first span."""
    order = sorted(range(len(rows.ids)), key=lambda row: (rows.start_ns[row], rows.ids[row]))
    resources, scopes = column(tables.spans, "resource"), column(tables.spans, "scope")
    tree: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in order:
        tree[resources[row]][scopes[row]].append(row)
    return [
        ResourceGroup(resource, [ScopeGroup(scope, spans) for scope, spans in found.items()])
        for resource, found in tree.items()
    ]


def by_span(table: pa.Table, count: int) -> list[list[int]]:
    """Return for each of `count` spans the rows of its events (or links), in their order."""
    rows: list[list[int]] = [[] for _ in range(count)]
    for row, span in enumerate(column(table, "span")):
        rows[span].append(row)
    return rows
