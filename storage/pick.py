"""Chosen spans with all they carry: their resources, scopes, events and links follow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from storage.arrays import NO_BITS, single_chunk, values
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
from storage.kernels.gather import compact_codes
from storage.kernels.group import rows_by_number
from storage.take import Rows, take_array, take_rows

#: The own columns of the tables as decoded.
FIELDS: Mapping[TableName, tuple[pa.Field, ...]] = {
    "spans": SPAN_FIELDS,
    "resources": RESOURCE_FIELDS,
    "scopes": SCOPE_FIELDS,
    "events": EVENT_FIELDS,
    "links": LINK_FIELDS,
}


def pick_spans(tables: SpanTables, rows: Rows, nested: Sequence[pa.Array] = ()) -> SpanTables:
    """Return the spans `rows` (none twice) in that order, unsorted as far as the tables tell.

    `nested` are the `NESTED_FIELDS` of the result, if it has them. Resources and scopes are numbered by first use.
    """
    spans = take_rows(tables.spans, rows, SPAN_FIELDS)
    spans, resources = _by_first_use(spans, "resource", tables.resources, "resources")
    spans, scopes = _by_first_use(spans, "scope", tables.scopes, "scopes")
    for at, array in enumerate(nested):
        spans = spans.add_column(len(SPAN_FIELDS) + at, NESTED_FIELDS[at], array)
    place = np.full(tables.spans.num_rows, -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    events = _follow_spans(tables.events, place, len(rows), "events")
    links = _follow_spans(tables.links, place, len(rows), "links")
    return SpanTables(spans, resources, scopes, events, links)


def pick_traces(tables: SpanTables, traces: Sequence[int]) -> SpanTables:
    """Return the given traces (rows of `traces`, none twice) of sorted tables, sorted."""
    chosen = np.sort(np.asarray(traces, np.int32))
    summary = tables.table("traces")
    firsts = values(single_chunk(summary.column("first_span")), np.uint32)[chosen].astype(np.int64)
    counts = values(single_chunk(summary.column("span_count")), np.uint32)[chosen].astype(np.int64)
    ends = np.cumsum(counts)
    rows = (np.repeat(firsts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)).astype(np.int32)
    trace = pa.array(np.repeat(np.arange(len(chosen), dtype=np.uint32), counts))
    nested = [take_array(single_chunk(tables.spans.column(f.name)), rows) for f in NESTED_FIELDS[1:]]
    picked = pick_spans(tables, rows, [trace, *nested])
    arrays = {name: take_array(single_chunk(summary.column(name)), chosen) for name in summary.column_names}
    arrays["first_span"] = pa.array((ends - counts).astype(np.uint32))
    return replace(picked, traces=pa.table(arrays, schema=summary.schema))


def _by_first_use(spans: pa.Table, column: str, table: pa.Table, name: TableName) -> tuple[pa.Table, pa.Table]:
    """Number resources or scopes in the order in which spans use them, and leave out those that none uses."""
    numbers = spans.column(column).to_numpy().astype(np.int32)
    used, _ = compact_codes(numbers, NO_BITS, True, table.num_rows)
    at = spans.column_names.index(column)
    spans = spans.set_column(at, spans.schema.field(at), pa.array(numbers.astype(np.uint32)))
    return spans, take_rows(table, used, FIELDS[name])


def _follow_spans(table: pa.Table, place: Rows, spans: int, name: TableName) -> pa.Table:
    """Return events or links in the order of their spans, without those of spans left out."""
    owners = place[table.column("span").to_numpy()]
    rows, _ = rows_by_number(owners, spans)
    taken = take_rows(table, rows, FIELDS[name])
    return taken.set_column(0, taken.schema.field(0), pa.array(owners[rows].astype(np.uint32)))
