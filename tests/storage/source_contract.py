"""What every scan source must give, said by the tables that it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from storage.columns import (
    REST_FIELD,
    REST_KEYS,
    Column,
    ScanSource,
    SpanTables,
    TableName,
    is_attribute_column,
    split_column_name,
)

TABLES: tuple[TableName, ...] = ("spans", "traces", "resources", "scopes", "events", "links")


def native(column: Column) -> list[Any]:
    """Return a column as Python values, None for nulls; booleans as 0 and 1, ids as bytes."""
    data: list[Any] = [v.tobytes() for v in column.data] if column.data.ndim == 2 else column.data.tolist()
    if column.dictionary is not None:
        values = column.dictionary.to_pylist()
        data = [values[code] if values else None for code in data]
    if column.offsets is not None:
        offsets = column.offsets.tolist()
        assert offsets[0] == 0
        assert offsets[-1] == len(data)
        data = [data[a:b] for a, b in pairwise(offsets)]
    if column.valid is None:
        return data
    assert set(column.valid.tolist()) <= {0, 1}
    return [value if valid else None for value, valid in zip(data, column.valid.tolist(), strict=True)]


def rows_of_unit(source: ScanSource, tables: SpanTables, table: TableName, unit: int) -> pa.Table:
    """Return the rows that `read` must give."""
    bounds = source.meta.units[unit]
    rows = tables.table(table)
    if table == "spans":
        return rows[bounds.first_span : bounds.stop_span]
    if table == "traces":
        return rows[bounds.first_trace : bounds.stop_trace]
    if table in {"events", "links"}:
        owner = rows.column("span").to_numpy()
        rows = rows.filter(pa.array((owner >= bounds.first_span) & (owner < bounds.stop_span)))
        counted = pa.array(rows.column("span").to_numpy() - np.uint32(bounds.first_span))
        return rows.set_column(0, rows.schema.field(0), counted)
    return rows


def plain(array: pa.ChunkedArray) -> list[Any]:
    return (array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array).to_pylist()


def assert_reads(source: ScanSource, tables: SpanTables) -> None:
    """Assert that every column of every unit is what the tables hold."""
    for table in TABLES:
        for unit in range(len(source.meta.units)):
            rows = rows_of_unit(source, tables, table, unit)
            for name in rows.column_names:
                if name == "services":
                    assert_services(source, rows.column(name), unit)
                elif name == REST_FIELD.name:
                    assert_rest(source, table, rows.column(name), unit)
                else:
                    column = source.read(table, name, unit)
                    assert column is not None, name
                    assert repr(native(column)) == repr(_numbers(plain(rows.column(name)))), name
            assert source.read(table, "span.nothing::str", unit) is None


def _numbers(values: list[Any]) -> list[Any]:
    """Return booleans as 0 and 1."""
    if isinstance(values, list):
        return [_numbers(v) if isinstance(v, list) else int(v) if isinstance(v, bool) else v for v in values]
    return values


def assert_services(source: ScanSource, services: pa.ChunkedArray, unit: int) -> None:
    for field in ("service", "spans", "errors"):
        column = source.read("traces", f"services.{field}", unit)
        assert column is not None
        assert native(column) == [[entry[field] for entry in entries] for entries in services.to_pylist()]


def assert_rest(source: ScanSource, table: TableName, rest: pa.ChunkedArray, unit: int) -> None:
    listed = source.read(table, REST_KEYS, unit)
    assert listed is not None
    assert native(listed) == [[entry["key"] for entry in entries or ()] for entries in rest.to_pylist()]
    keys = {entry["key"] for entries in rest.to_pylist() for entry in entries or ()}
    for key in keys:
        firsts = [next((e for e in entries or () if e["key"] == key), {}) for entries in rest.to_pylist()]
        found = source.read_rest(table, key, unit)
        for name in ("str", "int", "float", "bool"):
            expected = _numbers([first.get(name) for first in firsts])
            got = native(found[name]) if name in found else [None] * len(firsts)
            assert repr(got) == repr(expected), (key, name)
        for name, column in found.items():
            if name.endswith("[]"):
                assert all(value is None or first["other"] for value, first in zip(native(column), firsts, strict=True))


def assert_described(source: ScanSource, tables: SpanTables) -> None:
    """Assert that the metadata of a source is true, and its units are runs of whole traces."""
    meta = source.meta
    traces = tables.table("traces")
    assert (meta.span_count, meta.trace_count) == (tables.spans.num_rows, traces.num_rows)
    edges = [0, *(unit.stop_trace for unit in meta.units)]
    assert [unit.first_trace for unit in meta.units] == edges[:-1]
    assert edges[-1] == traces.num_rows
    for unit in meta.units:
        rows = traces[unit.first_trace : unit.stop_trace]
        assert (unit.start_ns, unit.end_ns) == (min(plain(rows.column("start"))), max(plain(rows.column("end"))))
        assert unit.first_span == rows.column("first_span")[0].as_py()
        assert unit.stop_span - unit.first_span == sum(rows.column("span_count").to_pylist())
    for table in TABLES:
        if table != "traces":
            rest = tables.table(table).to_pydict().get(REST_FIELD.name, ())
            assert meta.rest_keys.get(table, set()) == {entry["key"] for entries in rest for entry in entries or ()}
            for name in filter(is_attribute_column, tables.table(table).column_names):
                _assert_column_described(source, name, tables.table(table).column(name).to_pylist())


def _assert_column_described(source: ScanSource, name: str, values: Sequence[Any]) -> None:
    meta = source.meta.columns[name]
    present = [v for v in values if v is not None]
    assert meta.count == len(present)
    if split_column_name(name)[2].endswith("[]"):
        present = [item for items in present for item in items]
    if meta.distinct is not None:
        assert set(meta.distinct) == set(present)
    if meta.minimum is not None:
        assert (meta.minimum, meta.maximum) == (min(present), max(present))


def assert_finds(source: ScanSource, tables: SpanTables) -> None:
    """Assert that every trace is found and taken whole, and no other."""
    ids = tables.table("traces").column("trace_id").to_pylist()
    wanted = np.frombuffer(b"".join([*ids, b"\xaa" * 16, bytes(16)]), np.uint8).reshape(-1, 16)
    assert source.find(wanted).tolist() == [*range(len(ids)), -1, -1]
    assert [row.tobytes() for row in source.sorted_trace_ids()] == sorted(ids)
    assert source.find(np.zeros((0, 16), np.uint8)).tolist() == []
