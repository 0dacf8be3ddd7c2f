"""Chosen spans with all they carry: their resources, scopes, events and links follow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import single_chunk, values
from storage.columns import (
    EVENT_FIELDS,
    LINK_FIELDS,
    NESTED_FIELDS,
    RESOURCE_FIELDS,
    SCOPE_FIELDS,
    SPAN_FIELDS,
    SpanTables,
    TableName,
)
from storage.kernels.gather import distinct_by_first_use
from storage.kernels.group import rows_by_number
from storage.take import Rows, as_table, take_array, take_rows

#: The own columns of the tables as decoded.
FIELDS: Mapping[TableName, tuple[pa.Field, ...]] = {
    "spans": SPAN_FIELDS,
    "resources": RESOURCE_FIELDS,
    "scopes": SCOPE_FIELDS,
    "events": EVENT_FIELDS,
    "links": LINK_FIELDS,
}

_RESOURCE, _SCOPE = (next(field for field in SPAN_FIELDS if field.name == name) for name in ("resource", "scope"))


def pick_spans(tables: SpanTables, rows: Rows, nested: Sequence[pa.Array] = ()) -> SpanTables:
    """Return the spans `rows` (none twice) in that order, unsorted as far as the tables tell.

    `nested` are the `NESTED_FIELDS` of the result, if it has them. Resources and scopes are numbered by first use.
    """
    spans = take_rows(tables.spans, rows, SPAN_FIELDS)
    resources, numbers = by_first_use(
        values(spans[_RESOURCE], np.uint32).astype(np.int64), tables.resources, "resources"
    )
    spans[_RESOURCE] = pa.array(numbers)
    scopes, numbers = by_first_use(values(spans[_SCOPE], np.uint32).astype(np.int64), tables.scopes, "scopes")
    spans[_SCOPE] = pa.array(numbers)
    own = dict(list(spans.items())[: len(SPAN_FIELDS)])
    spans = own | dict(zip(NESTED_FIELDS, nested, strict=False)) | spans
    place = np.full(tables.spans.num_rows, -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    events = _follow_spans(tables.events, place, len(rows), "events")
    links = _follow_spans(tables.links, place, len(rows), "links")
    return SpanTables(as_table(spans), resources, scopes, events, links)


def pick_traces(tables: SpanTables, traces: Sequence[int] | npt.NDArray[np.int64]) -> SpanTables:
    """Return the given traces (rows of `traces`, none twice) of sorted tables, sorted."""
    chosen = np.sort(np.asarray(traces, np.int32))
    summary = tables.table("traces")
    firsts = values(single_chunk(summary.column("first_span")), np.uint32)[chosen].astype(np.int64)
    counts = values(single_chunk(summary.column("span_count")), np.uint32)[chosen].astype(np.int64)
    ends = np.cumsum(counts)
    rows = runs(firsts, counts).astype(np.int32)
    trace = pa.array(np.repeat(np.arange(len(chosen), dtype=np.uint32), counts))
    nested = [take_array(single_chunk(tables.spans.column(f.name)), rows) for f in NESTED_FIELDS[1:]]
    picked = pick_spans(tables, rows, [trace, *nested])
    arrays = {name: take_array(single_chunk(summary.column(name)), chosen) for name in summary.column_names}
    arrays["first_span"] = pa.array((ends - counts).astype(np.uint32))
    return replace(picked, traces=pa.table(arrays, schema=summary.schema))


def runs(firsts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the numbers of runs one after another: `counts[i]` of them from `firsts[i]` on."""
    ends = np.cumsum(counts)
    return np.repeat(firsts - (ends - counts), counts) + np.arange(counts.sum())


def by_first_use(
    numbers: npt.NDArray[np.int64], table: pa.Table, name: TableName
) -> tuple[pa.Table, npt.NDArray[np.uint32]]:
    """Return the resources or scopes that any span uses, in the order in which spans use them, and spans' numbers."""
    used = distinct_by_first_use(numbers.astype(np.int32))
    renumbered = np.zeros(table.num_rows, np.uint32)
    renumbered[used] = np.arange(len(used))
    return as_table(take_rows(table, used, FIELDS[name])), renumbered[numbers]


def _follow_spans(table: pa.Table, place: Rows, spans: int, name: TableName) -> pa.Table:
    """Return events or links in the order of their spans, without those of spans left out."""
    if not table.num_rows:
        return pa.schema(FIELDS[name]).empty_table()
    owners = place[values(single_chunk(table.column("span")), np.uint32)]
    rows, _ = rows_by_number(owners, spans)
    taken = take_rows(table, rows, FIELDS[name])
    taken[FIELDS[name][0]] = pa.array(owners[rows].view(np.uint32))
    return as_table(taken)
