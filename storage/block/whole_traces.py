"""Traces of one unit taken whole out of a block, reading only the pages that hold their rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import single_chunk, values
from storage.block.presence import Presence, columns_of
from storage.block.table_file import TableFile
from storage.columns import SpanTables, TableName, UnitMeta
from storage.pick import pick_traces, runs

Rows = npt.NDArray[np.int64]


def take_whole(
    open_table: Callable[[TableName], TableFile],
    presence: Presence,
    unit: UnitMeta,
    number: int,
    rows: Rows,
) -> SpanTables:
    """Return every column of the given traces (ascending rows of `traces`) of the unit `number`, sorted."""
    traces, at = open_table("traces").read_around(number, rows - unit.first_trace)
    traces = traces.take(pa.array(at))
    firsts = _numbers(traces, "first_span") - unit.first_span
    counts = _numbers(traces, "span_count")
    wanted = runs(firsts, counts)
    file = open_table("spans")
    spans, places = file.read_around(number, wanted, columns_of(presence, file.schema, wanted + unit.first_span))
    first_places = places[np.cumsum(counts) - counts]

    def owned(table: TableName) -> pa.Table:
        """Return the events or links of the traces, their spans numbered as in `spans`."""
        file = open_table(table)
        owners = values(single_chunk(file.read_column("span", number)), np.uint32).astype(np.int64) - unit.first_span
        starts, stops = np.searchsorted(owners, firsts), np.searchsorted(owners, firsts + counts)
        carried = runs(starts, stops - starts)
        part, at = file.read_around(number, carried)
        return _renumbered(part.take(pa.array(at)), "span", places[np.searchsorted(wanted, owners[carried])])

    tables = SpanTables(
        spans=spans,
        resources=open_table("resources").read_whole(),
        scopes=open_table("scopes").read_whole(),
        events=owned("events"),
        links=owned("links"),
        traces=_renumbered(traces, "first_span", first_places),
    )
    return pick_traces(tables, range(len(rows)))


def _numbers(table: pa.Table, name: str) -> Rows:
    return values(single_chunk(table.column(name)), np.uint32).astype(np.int64)


def _renumbered(table: pa.Table, name: str, numbers: Rows) -> pa.Table:
    at = table.column_names.index(name)
    return table.set_column(at, table.schema.field(at), pa.array(numbers.astype(np.uint32)))
