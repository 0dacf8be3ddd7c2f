"""A block written part by part: what memory holds is one part, and not the files, which lie in the temporary folder.

Parts are sorted tables that follow each other, each a row group of the block. What a part counts from its own first
row is counted on from the rows before it; its resources and scopes are numbered as the block numbers them, which is in
order of first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import single_chunk, values
from storage.block.presence import Presence, find_presence, join_presence
from storage.block.schema import choose_encodings
from storage.block.writer import PAGE_ROWS, UNIT_SPANS, EncodedBlock, Origin, TableWriter, seal_block
from storage.columns import (
    ARROW_TYPES,
    NESTED_FIELDS,
    REST_FIELD,
    TABLE_OF_SCOPE,
    TRACE_FIELDS,
    ColumnMeta,
    SourceMeta,
    SpanTables,
    TableName,
    UnitMeta,
    split_column_name,
)
from storage.describe import describe_columns, describe_rest, join_columns, join_rest
from storage.errors import BadColumns
from storage.pick import FIELDS
from storage.unite import distinct_rows

#: Tables with a row group for each part.
_BY_UNIT: tuple[TableName, ...] = ("spans", "events", "links")
_WHOLE: tuple[TableName, ...] = ("resources", "scopes")


def write_parts(
    parts: Iterable[SpanTables],
    columns: Mapping[str, ColumnMeta],
    has_rest: frozenset[TableName],
    origin: Origin,
    *,
    unit_spans: int = UNIT_SPANS,
    page_rows: int = PAGE_ROWS,
) -> EncodedBlock:
    """Encode sorted tables, one after another, as a block with a row group for each.

    `columns` has every attribute column that a part may have, with what is known of it beforehand, and `has_rest` the
    tables that may have a `rest`. Encodings are chosen by this and by the first part.
    """
    block = _BlockInParts(columns, has_rest, unit_spans, page_rows)
    for part in parts:
        block.add(part)
    return block.finish(origin)


class _BlockInParts:
    """A block in the making."""

    def __init__(
        self, columns: Mapping[str, ColumnMeta], has_rest: frozenset[TableName], unit_spans: int, page_rows: int
    ) -> None:
        self._known = columns
        self._unit_spans = unit_spans
        self._page_rows = page_rows
        self._schemas = {name: _schema(name, columns, name in has_rest) for name in _BY_UNIT}
        self._schemas["traces"] = pa.schema(TRACE_FIELDS)
        self._writers: dict[TableName, TableWriter] = {}
        self._whole: dict[TableName, pa.Table] = {}
        self._row_groups: list[UnitMeta] = []
        self._trace_ids: list[pa.Array] = []
        self._presence: list[tuple[int, Presence]] = []
        self._columns: dict[str, ColumnMeta] = {}
        self._rest: dict[TableName, frozenset[str] | None] = {}

    def add(self, part: SpanTables) -> None:
        """Write a part as the next row group."""
        last = self._row_groups[-1] if self._row_groups else None
        first_span, first_trace = (last.stop_span, last.stop_trace) if last is not None else (0, 0)
        self._columns = join_columns([self._columns, describe_columns(part, _BY_UNIT)])
        self._rest = join_rest([self._rest, describe_rest(part, _BY_UNIT)])
        traces = part.table("traces")
        spans = _shift(part.spans, "trace", first_trace)
        spans = self._number(spans, "resource", part.resources, "resources")
        spans = self._number(spans, "scope", part.scopes, "scopes")
        tables: dict[TableName, pa.Table] = {
            "spans": spans,
            "traces": _shift(traces, "first_span", first_span),
            "events": _shift(part.events, "span", first_span),
            "links": _shift(part.links, "span", first_span),
        }
        for name, table in tables.items():
            complete = _complete(table, self._schemas[name])
            self._writer(name, complete).add(complete)
            if name == "spans":
                self._presence.append((first_span, find_presence(complete, first_span)))
        self._trace_ids.append(single_chunk(traces.column("trace_id")))
        self._row_groups.append(_row_group(traces, part.spans.num_rows, first_span, first_trace))

    def finish(self, origin: Origin) -> EncodedBlock:
        """Write what all parts share, and describe the block."""
        empty = pa.schema([]).empty_table()
        whole = SpanTables(empty, self._whole["resources"], self._whole["scopes"], empty, empty)
        columns = join_columns([self._columns, describe_columns(whole, _WHOLE)])
        for name in _WHOLE:
            table = whole.table(name)
            self._writers[name] = TableWriter(table.schema, choose_encodings(name, table, columns), self._page_rows)
            self._writers[name].add(table)
        source = SourceMeta(
            id=origin.id,
            tenant=origin.tenant,
            span_count=self._row_groups[-1].stop_span,
            trace_count=self._row_groups[-1].stop_trace,
            start_ns=min(each.start_ns for each in self._row_groups),
            end_ns=max(each.end_ns for each in self._row_groups),
            units=tuple(self._row_groups),
            columns=columns,
            rest_keys=join_rest([self._rest, describe_rest(whole, _WHOLE)]),
        )
        ids = pa.concat_arrays(self._trace_ids)
        presence = join_presence(self._presence)
        return seal_block(self._writers, ids, presence, source, origin, self._unit_spans, self._page_rows)

    def _writer(self, name: TableName, first: pa.Table) -> TableWriter:
        """Return the writer of a table; its encodings are chosen when its first rows are here."""
        if name not in self._writers:
            encodings = choose_encodings(name, first, self._known)
            self._writers[name] = TableWriter(self._schemas[name], encodings, self._page_rows, spooled=True)
        return self._writers[name]

    def _number(self, spans: pa.Table, column: str, rows: pa.Table, name: TableName) -> pa.Table:
        """Return the spans with a part's resources or scopes numbered as the block does, new ones behind the others."""
        known = self._whole.get(name, rows.slice(0, 0))
        united = pa.concat_tables([known, rows], promote_options="default").combine_chunks()
        self._whole[name], numbers = distinct_rows(_ordered(united, name))
        of_part = numbers[known.num_rows :].astype(np.uint32)
        return _replace(spans, column, of_part[values(single_chunk(spans.column(column)), np.uint32)])


def _schema(name: TableName, columns: Mapping[str, ColumnMeta], has_rest: bool) -> pa.Schema:
    """Return a table's own columns, its attributes by name, and `rest` where it may have one."""
    nested = NESTED_FIELDS if name == "spans" else ()
    of_table = sorted(c for c in columns if TABLE_OF_SCOPE[split_column_name(c)[0]] == name)
    attributes = [pa.field(c, ARROW_TYPES[split_column_name(c)[2]]) for c in of_table]
    return pa.schema([*FIELDS[name], *nested, *attributes, *([REST_FIELD] if has_rest else [])])


def _ordered(table: pa.Table, name: TableName) -> pa.Table:
    """Return a table with its columns in the order of `_schema`: new ones came in behind `rest`."""
    own = [field.name for field in FIELDS[name]]
    rest = [n for n in table.column_names if n == REST_FIELD.name]
    attributes = sorted(n for n in table.column_names if n not in {*own, *rest})
    return table.select([*own, *attributes, *rest])


def _complete(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with all columns of a schema, null where it has none. Raises BadColumns where it has others."""
    have = set(table.column_names)
    if other := have - set(schema.names):
        msg = f"columns {', '.join(sorted(other))} were not said beforehand"
        raise BadColumns(msg)
    nulls = {type_: pa.nulls(table.num_rows, type_) for type_ in {f.type for f in schema if f.name not in have}}
    arrays = [single_chunk(table.column(field.name)) if field.name in have else nulls[field.type] for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _shift(table: pa.Table, column: str, by: int) -> pa.Table:
    """Return a table whose row numbers in a column count on from `by`."""
    return table if by == 0 else _replace(table, column, values(single_chunk(table.column(column)), np.uint32) + by)


def _replace(table: pa.Table, column: str, numbers: npt.NDArray[np.integer]) -> pa.Table:
    at = table.column_names.index(column)
    return table.set_column(at, table.schema.field(at), pa.array(numbers.astype(np.uint32)))


def _row_group(traces: pa.Table, spans: int, first_span: int, first_trace: int) -> UnitMeta:
    return UnitMeta(
        first_span=first_span,
        stop_span=first_span + spans,
        first_trace=first_trace,
        stop_trace=first_trace + traces.num_rows,
        start_ns=int(values(single_chunk(traces.column("start")), np.int64).min()),
        end_ns=int(values(single_chunk(traces.column("end")), np.int64).max()),
    )
