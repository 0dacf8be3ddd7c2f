"""Traces of one unit taken whole out of a block, reading only the pages that hold their rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import single_chunk, values
from storage.block.presence import Presence, columns_of
from storage.block.table_file import TableFile
from storage.columns import NESTED_FIELDS, REST_FIELD, SPAN_FIELDS, SpanTables, TableName, UnitMeta, is_attribute_column
from storage.pick import FIELDS, runs

Rows = npt.NDArray[np.int64]


def take_whole(
    open_table: Callable[[TableName], TableFile],
    presence: Presence,
    stripe_rows: int,
    unit: UnitMeta,
    number: int,
    rows: Rows,
) -> SpanTables:
    """Return every column of the given traces (ascending rows of `traces`) of the unit `number`, sorted."""
    traces = open_table("traces").read_rows(number, rows - unit.first_trace)
    firsts = _numbers(traces, "first_span") - unit.first_span
    counts = _numbers(traces, "span_count")
    wanted = runs(firsts, counts)
    file = open_table("spans")
    columns = columns_of(presence, file.schema, wanted + unit.first_span, stripe_rows) - _KNOWN
    trace = np.repeat(np.arange(len(rows)), counts)
    spans = _with_known(_filled(file.read_rows(number, wanted, columns)), traces, trace)

    def used(table: TableName, column: str) -> tuple[pa.Table, npt.NDArray[np.uint32]]:
        """Return the resources or scopes that the spans use, and their numbers."""
        return open_table(table).read_shared().used(_numbers(spans, column), table)

    def owned(table: TableName) -> pa.Table:
        """Return the events or links of the traces, their spans numbered as in `spans`."""
        file = open_table(table)
        if not file.count(number):
            return pa.schema(FIELDS[table]).empty_table()
        starts, stops = (file.find("span", number, unit.first_span + at) for at in (firsts, firsts + counts))
        part = file.read_rows(number, runs(starts, stops - starts))
        if not part.num_rows:
            return pa.schema(FIELDS[table]).empty_table()
        return _replaced(_filled(part), "span", np.searchsorted(wanted, _numbers(part, "span") - unit.first_span))

    resources, resource = used("resources", "resource")
    scopes, scope = used("scopes", "scope")
    return SpanTables(
        spans=_replaced(_replaced(spans, "resource", resource), "scope", scope),
        resources=resources,
        scopes=scopes,
        events=owned("events"),
        links=owned("links"),
        traces=_replaced(traces, "first_span", np.cumsum(counts) - counts),
    )


#: Columns of spans that follow from those of their traces.
_KNOWN = frozenset({"trace_id", "trace"})


def _with_known(spans: pa.Table, traces: pa.Table, trace: Rows) -> pa.Table:
    """Return spans with the columns `_KNOWN`; `trace` is the trace of each."""
    ids = single_chunk(traces.column("trace_id")).take(pa.array(trace))
    spans = spans.add_column(0, SPAN_FIELDS[0], ids)
    return spans.add_column(len(SPAN_FIELDS), NESTED_FIELDS[0], pa.array(trace.astype(np.uint32)))


def _numbers(table: pa.Table, name: str) -> Rows:
    return values(single_chunk(table.column(name)), np.uint32).astype(np.int64)


def _filled(table: pa.Table) -> pa.Table:
    """Return a table without the attributes (and `rest`) that none of its rows has."""
    optional = (name for name in table.column_names if is_attribute_column(name) or name == REST_FIELD.name)
    return table.drop_columns([name for name in optional if table.column(name).null_count == table.num_rows])


def _replaced(table: pa.Table, name: str, numbers: npt.NDArray[np.integer]) -> pa.Table:
    at = table.column_names.index(name)
    return table.set_column(at, table.schema.field(at), pa.array(numbers.astype(np.uint32)))
