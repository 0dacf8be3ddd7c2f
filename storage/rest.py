"""The bound on columns: which attributes have a column, and which stand in the list column `rest`.

A table has at most `MAX_ATTRIBUTE_COLUMNS` attribute columns, those that most rows have a value in. Tables that come
together are judged together: what was rare in one may be frequent in all, so what `rest` holds moves back to a
column, and a column that is rare among all moves to `rest`. In `rest` the entries of a row stand in order of their
keys; those of one key in the order in which they were sent. (Arrays that were moved to `rest` stay there, and a
span that was sent twice counts twice: which attributes are the rarest may depend on both.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

from storage.arrays import list_offsets, single_chunk
from storage.columns import (
    ARROW_TYPES,
    MAX_ATTRIBUTE_COLUMNS,
    REST,
    REST_FIELD,
    Scope,
    TypeName,
    is_attribute_column,
    split_column_name,
)

_ENTRY: pa.StructType = REST.value_type
_SCALARS: tuple[TypeName, ...] = ("str", "int", "float", "bool")
_WIRE_FIELDS: Mapping[TypeName, str] = {
    "str[]": "string_value",
    "int[]": "int_value",
    "float[]": "double_value",
    "bool[]": "bool_value",
}

Rows = npt.NDArray[np.int64]


def bound_columns(
    tables: Sequence[pa.Table],
    scope: Scope,
    limit: int = MAX_ATTRIBUTE_COLUMNS,
    *,
    chosen: Collection[str] | None = None,
) -> Sequence[pa.Table]:
    """Return the tables with the `chosen` attributes, or the same `limit` at most, as columns, all others in `rest`."""
    names = {name for table in tables for name in table.column_names if is_attribute_column(name)}
    fits = len(names) <= limit if chosen is None else names <= set(chosen)
    if fits and not any(_has_entries(table) for table in tables):
        return [_without_rest(table) for table in tables]
    movable = [_movable_entries(table, scope) for table in tables]
    kept = _choose(tables, movable, limit) if chosen is None else set(chosen)
    return [_move(table, entries, kept) for table, entries in zip(tables, movable, strict=True)]


def _has_entries(table: pa.Table) -> bool:
    if REST_FIELD.name not in table.column_names:
        return False
    rest = single_chunk(table.column(REST_FIELD.name))
    offsets = list_offsets(rest)
    return bool(offsets[0] < offsets[-1]) and len(rest.flatten()) > 0


def _without_rest(table: pa.Table) -> pa.Table:
    return table.drop_columns([REST_FIELD.name]) if REST_FIELD.name in table.column_names else table


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries of a table's `rest`, one after another.

    `rows` says where each stands; `columns` is the column that it may move to, null for those that must stay.
    """

    values: pa.StructArray
    rows: Rows
    columns: pa.StringArray


def _movable_entries(table: pa.Table, scope: Scope) -> _Entries:
    """Return the entries of `rest`; an entry may move that is the first value of its key and fits a column."""
    if REST_FIELD.name not in table.column_names:
        return _Entries(pa.array([], _ENTRY), np.zeros(0, np.int64), pa.array([], pa.string()))
    rest = single_chunk(table.column(REST_FIELD.name))
    lengths = rest.value_lengths().fill_null(0).to_numpy()
    rows = np.repeat(np.arange(len(rest)), lengths)
    values = rest.flatten()
    keys = values.field("key").dictionary_encode()
    _, first = np.unique(rows * max(1, len(keys.dictionary)) + keys.indices.to_numpy(), return_index=True)
    may_move = np.zeros(len(rows), np.bool_)
    may_move[first] = True
    names = list(filter(is_attribute_column, table.column_names))
    codes = pc.index_in(pa.array([split_column_name(n)[1] for n in names], pa.string()), value_set=keys.dictionary)
    for name, code in zip(names, codes.to_pylist(), strict=True):
        if code is not None:
            taken = single_chunk(table.column(name)).is_valid().to_numpy(zero_copy_only=False)[rows]
            may_move &= ~(taken & (keys.indices.to_numpy() == code))
    kinds = [values.field(name).is_valid().to_numpy(zero_copy_only=False) for name in _SCALARS]
    types = pa.array(np.select(kinds, _SCALARS, ""), mask=~(may_move & np.any(kinds, axis=0)))
    prefixed = pc.binary_join_element_wise(pa.scalar(f"{scope}"), values.field("key"), ".")
    return _Entries(values, rows, pc.binary_join_element_wise(prefixed, types.cast(pa.string()), "::"))


def _choose(tables: Sequence[pa.Table], movable: Sequence[_Entries], limit: int) -> set[str]:
    """Return the names of the attributes that most rows have a value for; equally frequent ones by name."""
    parts = [
        pa.table({"name": e.columns.drop_null(), "count": pa.repeat(1, len(e.columns.drop_null()))}) for e in movable
    ]
    for table in tables:
        names = [name for name in table.column_names if is_attribute_column(name)]
        counts = [table.num_rows - table.column(name).null_count for name in names]
        parts.append(pa.table({"name": pa.array(names, pa.string()), "count": pa.array(counts, pa.int64())}))
    counted = pa.concat_tables(parts).group_by("name").aggregate([("count", "sum")])
    ranked = counted.sort_by([("count_sum", "descending"), ("name", "ascending")])
    return set(ranked.column("name")[:limit].to_pylist())


def _move(table: pa.Table, entries: _Entries, chosen: set[str]) -> pa.Table:
    """Return a table whose columns are the chosen ones, with `rest` made anew."""
    names = [name for name in table.column_names if is_attribute_column(name)]
    rare = [name for name in names if name not in chosen]
    moves = pc.is_in(entries.columns, value_set=pa.array(sorted(chosen), pa.string())).to_numpy(zero_copy_only=False)
    columns = {n: single_chunk(table.column(n)) for n in table.column_names if n not in {*rare, REST_FIELD.name}}
    encoded = entries.columns.dictionary_encode()
    for at, name in enumerate(encoded.dictionary.to_pylist() if moves.any() else ()):
        if name in chosen:
            of_name = np.flatnonzero(moves & (encoded.indices.fill_null(-1).to_numpy() == at))
            columns[name] = _fill(columns.get(name), entries, of_name, name, table.num_rows)
    kept = np.flatnonzero(~moves)
    demoted = [_as_entries(name, single_chunk(table.column(name))) for name in rare]
    values = pa.concat_arrays([*(part for part, _ in demoted), entries.values.take(pa.array(kept))])
    rows = np.concatenate([*(part for _, part in demoted), entries.rows[kept]])
    if len(rows):
        columns[REST_FIELD.name] = as_rest(values, rows, table.num_rows)
    return pa.table(columns)


def _fill(column: pa.Array | None, entries: _Entries, at: Rows, name: str, rows: int) -> pa.Array:
    """Return a column with the values of the entries `at`, in rows where it had none."""
    type_name = split_column_name(name)[2]
    source = np.full(rows, -1, np.int64)
    source[entries.rows[at]] = at
    values = entries.values.field(type_name).take(pa.array(source, mask=source < 0))
    if column is not None:
        values = pc.coalesce(column.cast(values.type), values)
    return (values.dictionary_encode() if type_name == "str" else values).cast(ARROW_TYPES[type_name])


def _as_entries(name: str, column: pa.Array) -> tuple[pa.StructArray, Rows]:
    """Return the values of a column as entries of `rest`, and their rows."""
    _, key, type_name = split_column_name(name)
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    values = column.drop_null()
    if type_name in _WIRE_FIELDS:
        field, values = "other", encode_arrays(values, type_name)
    else:
        field = type_name
    fields = {f.name: values.cast(f.type) if f.name == field else pa.nulls(len(rows), f.type) for f in _ENTRY}
    fields["key"] = pa.repeat(key, len(rows))
    return pa.StructArray.from_arrays(list(fields.values()), fields=list(_ENTRY)), rows


def encode_arrays(values: pa.ListArray, type_name: TypeName) -> pa.BinaryArray:
    """Return arrays in wire form. They are the rarest values of a table, so a loop may do."""
    field = _WIRE_FIELDS[type_name]
    wire = [
        AnyValue(array_value=ArrayValue(values=[AnyValue(**{field: v}) for v in items])) for items in values.to_pylist()
    ]
    return pa.array([value.SerializeToString() for value in wire], pa.binary())


def as_rest(values: pa.StructArray, rows: Rows, count: int) -> pa.ListArray:
    """Return entries as `rest`: by row, then key; those of one key as they stand. A row without entries is null."""
    keys = values.field("key").dictionary_encode()
    rank = np.empty(len(keys.dictionary), np.int64)
    rank[pc.sort_indices(keys.dictionary).to_numpy()] = np.arange(len(rank))
    order = np.lexsort((rank[keys.indices.to_numpy()], rows))
    lengths = np.bincount(rows, minlength=count)
    offsets = pa.array(np.append(0, np.cumsum(lengths)).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, values.take(pa.array(order)), type=REST, mask=pa.array(lengths == 0))
