"""Batches of spans laid end to end: columns united by name, resources and scopes held once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import single_chunk, values
from storage.columns import REST_FIELD, TABLE_OF_SCOPE, Scope, SpanTables, TableName, is_attribute_column
from storage.content import row_codes
from storage.errors import BadColumns
from storage.pick import FIELDS
from storage.rest import bound_columns

_SCOPES: Mapping[TableName, Scope] = {table: scope for scope, table in TABLE_OF_SCOPE.items()}

_SCHEMAS: Mapping[TableName, pa.Schema] = {name: pa.schema(fields) for name, fields in FIELDS.items()}
_EMPTY: Mapping[TableName, pa.Table] = {name: schema.empty_table() for name, schema in _SCHEMAS.items()}

#: The attributes of each table that may have a column.
Columns: TypeAlias = Mapping[TableName, Collection[str]]


def unite(batches: Sequence[SpanTables], columns: Columns | None = None) -> SpanTables:
    """Return the spans of all batches one after another, unsorted, with no resource or scope twice.

    `columns` says which attributes may have a column; without it, those that most of these rows have. Raises
    BadColumns where a column is missing or a number points outside its table.
    """
    resources, resource_of = distinct_rows(_concatenate(batches, "resources", columns))
    scopes, scope_of = distinct_rows(_concatenate(batches, "scopes", columns))
    spans = _concatenate(batches, "spans", columns)
    spans = _renumber(spans, "resource", _shifted(batches, "spans", "resource", "resources"), resource_of)
    spans = _renumber(spans, "scope", _shifted(batches, "spans", "scope", "scopes"), scope_of)
    return SpanTables(
        spans=spans,
        resources=resources,
        scopes=scopes,
        events=_of_spans(batches, "events", columns),
        links=_of_spans(batches, "links", columns),
    )


def _concatenate(batches: Sequence[SpanTables], name: TableName, columns: Columns | None) -> pa.Table:
    """Return one table of all batches' rows: own columns, attribute columns within the bound, `rest`."""
    schema = _SCHEMAS[name]
    selected = [_select(batch.table(name), schema, name) for batch in batches]
    tables = [
        _EMPTY[name],
        *bound_columns(selected, _SCOPES[name], chosen=None if columns is None else columns[name]),
    ]
    tables = [t for t in tables if t.num_rows] or tables[:1]
    if len(tables) == 1:
        return tables[0]
    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def _select(table: pa.Table, schema: pa.Schema, name: TableName) -> pa.Table:
    """Leave out what sorting added."""
    missing = set(schema.names) - set(table.column_names)
    if missing:
        msg = f"{name} lack the columns {', '.join(sorted(missing))}"
        raise BadColumns(msg)
    kept = {*schema.names, REST_FIELD.name}
    return table.select([n for n in table.column_names if n in kept or is_attribute_column(n)])


def distinct_rows(table: pa.Table) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return the rows that differ, in order of first use, and for every row which of them equals it."""
    codes = row_codes(sorted(table.columns, key=_variety, reverse=True), table.num_rows)
    count = int(codes.max(initial=-1)) + 1
    firsts = np.full(count, table.num_rows, np.int64)
    np.minimum.at(firsts, codes, np.arange(table.num_rows))
    return (table if count == table.num_rows else table.take(pa.array(firsts)).combine_chunks()), codes


def _variety(column: pa.ChunkedArray) -> int:
    """Guess how many values a column has: the sooner all rows differ, the fewer columns are looked at."""
    return len(single_chunk(column).dictionary) if pa.types.is_dictionary(column.type) else 0


def _shifted(batches: Sequence[SpanTables], table: TableName, column: str, target: TableName) -> npt.NDArray[np.int64]:
    """Return the row numbers that a column of all batches holds, as rows of their united `target` table."""
    parts = []
    first = 0
    for batch in batches:
        rows = batch.table(target).num_rows
        numbers = values(single_chunk(batch.table(table).column(column)), np.uint32).astype(np.int64)
        if int(numbers.max(initial=-1)) >= rows:
            msg = f"a number in {table}.{column} points outside {target} ({rows} rows)"
            raise BadColumns(msg)
        parts.append(numbers + first)
        first += rows
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _renumber(table: pa.Table, column: str, numbers: npt.NDArray[np.int64], of: npt.NDArray[np.int64]) -> pa.Table:
    at = table.column_names.index(column)
    field = table.schema.field(at)
    return table.set_column(at, field, pa.array(of[numbers].astype(np.uint32)))


def _of_spans(batches: Sequence[SpanTables], name: TableName, columns: Columns | None) -> pa.Table:
    """Return the events or links of all batches, their spans numbered as united."""
    table = _concatenate(batches, name, columns)
    numbers = _shifted(batches, name, "span", "spans")
    return table.set_column(0, table.schema.field("span"), pa.array(numbers.astype(np.uint32)))
