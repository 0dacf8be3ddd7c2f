"""What is known of sorted tables without reading them: what prunes, and what tag lists need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.arrays import single_chunk, values
from storage.columns import REST_FIELD, ColumnMeta, SourceMeta, SpanTables, TableName, UnitMeta, is_attribute_column

TABLES: tuple[TableName, ...] = ("spans", "resources", "scopes", "events", "links")

#: All values of a column, where they are listed.
Distinct: TypeAlias = tuple[str | int | float | bool, ...] | None

#: A column's values are listed while there are at most so many, of at most so many characters together.
MAX_DISTINCT = 100
MAX_DISTINCT_LENGTH = 8192

#: So are the keys that `rest` holds.
MAX_REST_KEYS = 1000
MAX_REST_LENGTH = 32_768


def describe_source(tables: SpanTables, *, id: str, tenant: str, unit_spans: int) -> SourceMeta:  # noqa: A002  # the contract's name
    """Return the metadata of sorted tables, in units of about `unit_spans` spans."""
    traces = tables.table("traces")
    units = cut_units(traces, tables.spans.num_rows, unit_spans)
    return SourceMeta(
        id=id,
        tenant=tenant,
        span_count=tables.spans.num_rows,
        trace_count=traces.num_rows,
        start_ns=min((u.start_ns for u in units), default=0),
        end_ns=max((u.end_ns for u in units), default=0),
        units=units,
        columns=describe_columns(tables),
        rest_keys=describe_rest(tables),
    )


def describe_rest(tables: SpanTables, of: Sequence[TableName] = TABLES) -> Mapping[TableName, frozenset[str] | None]:
    """Return the keys in `rest` of all tables that have one, or of some; None where they are too many to list."""
    return {t: _rest_keys(tables.table(t)) for t in of if REST_FIELD.name in tables.table(t).column_names}


def _rest_keys(table: pa.Table) -> frozenset[str] | None:
    entries = single_chunk(table.column(REST_FIELD.name)).flatten()
    keys = entries.field("key").unique()
    if len(keys) > MAX_REST_KEYS:
        return None
    return _short_keys(frozenset(keys.to_pylist()))


def _short_keys(found: frozenset[str]) -> frozenset[str] | None:
    return found if sum(map(len, found)) <= MAX_REST_LENGTH else None


def cut_units(traces: pa.Table, spans: int, unit_spans: int) -> tuple[UnitMeta, ...]:
    """Cut sorted spans into runs of whole traces: at most `unit_spans` spans each, or a single longer trace."""
    firsts = np.append(values(single_chunk(traces.column("first_span")), np.uint32).astype(np.int64), spans)
    starts = values(single_chunk(traces.column("start")), np.int64)
    ends = values(single_chunk(traces.column("end")), np.int64)
    units = []
    trace = 0
    while trace < traces.num_rows:
        beyond = int(np.searchsorted(firsts, firsts[trace] + unit_spans, side="right")) - 1
        stop = max(trace + 1, beyond)
        units.append(
            UnitMeta(
                first_span=int(firsts[trace]),
                stop_span=int(firsts[stop]),
                first_trace=trace,
                stop_trace=stop,
                start_ns=int(starts[trace:stop].min()),
                end_ns=int(ends[trace:stop].max()),
            )
        )
        trace = stop
    return tuple(units)


def describe_columns(tables: SpanTables, of: Sequence[TableName] = TABLES) -> Mapping[str, ColumnMeta]:
    """Return what is known of each attribute column of all tables, or of some."""
    return {
        name: describe_column(single_chunk(tables.table(table).column(name)))
        for table in of
        for name in tables.table(table).column_names
        if is_attribute_column(name)
    }


def join_columns(parts: Iterable[Mapping[str, ColumnMeta]]) -> dict[str, ColumnMeta]:
    """Return what is known of the columns of parts laid end to end."""
    joined: dict[str, ColumnMeta] = {}
    for part in parts:
        for name, column in part.items():
            joined[name] = _join(joined[name], column) if name in joined else column
    return joined


def join_rest(
    parts: Iterable[Mapping[TableName, frozenset[str] | None]],
) -> dict[TableName, frozenset[str] | None]:
    """Return the keys in `rest` of parts laid end to end."""
    joined: dict[TableName, frozenset[str] | None] = {}
    for part in parts:
        for table, keys in part.items():
            known = joined.get(table, frozenset())
            both = None if keys is None or known is None else keys | known
            joined[table] = None if both is None or len(both) > MAX_REST_KEYS else _short_keys(both)
    return joined


def _join(one: ColumnMeta, other: ColumnMeta) -> ColumnMeta:
    """What one of them does not know of its values is not known of all."""
    return ColumnMeta(
        count=one.count + other.count,
        distinct=_join_few(one.distinct, other.distinct),
        minimum=None if one.minimum is None or other.minimum is None else min(one.minimum, other.minimum),
        maximum=None if one.maximum is None or other.maximum is None else max(one.maximum, other.maximum),
    )


def _join_few(one: Distinct, other: Distinct) -> Distinct:
    if one is None or other is None:
        return None
    found = {*one, *other}
    return _short(found) if len(found) <= MAX_DISTINCT else None


def describe_column(array: pa.Array) -> ColumnMeta:
    """Return how many rows have a value, which values (of lists: which elements), and their bounds."""
    count = len(array) - array.null_count
    elements = array.flatten() if pa.types.is_list(array.type) else array
    if pa.types.is_dictionary(elements.type):
        return ColumnMeta(count, _few(elements.dictionary))
    if pa.types.is_string(elements.type) or pa.types.is_boolean(elements.type):
        return ColumnMeta(count, _few(elements.drop_null().unique()))
    if pa.types.is_floating(elements.type):
        return _describe_floats(count, elements.drop_null())
    bounds = pc.min_max(elements).as_py()
    return ColumnMeta(count, _few(elements.drop_null().unique()), bounds["min"], bounds["max"])


def _describe_floats(count: int, elements: pa.Array) -> ColumnMeta:
    """Floats have bounds where all are finite: neither NaN nor infinity stands in JSON."""
    if not pc.all(pc.is_finite(elements)).as_py():
        return ColumnMeta(count)
    bounds = pc.min_max(elements).as_py()
    return ColumnMeta(count, _few(elements.unique()), bounds["min"], bounds["max"])


def _few(distinct: pa.Array) -> Distinct:
    """Return the values, sorted, unless they are many or long."""
    if len(distinct) > MAX_DISTINCT:
        return None
    return _short(distinct.to_pylist())


def _short(values: Iterable[str | int | float | bool]) -> Distinct:
    """Return values, sorted, unless they are long."""
    found = tuple(sorted(values))
    return found if sum(len(v) for v in found if isinstance(v, str)) <= MAX_DISTINCT_LENGTH else None
