"""Attribute values laid out as a table holds them: a column for each key and type, the rest in `rest`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.columns import ARROW_TYPES, MAX_ATTRIBUTE_COLUMNS, REST, REST_FIELD, STRING, Scope, column_name
from storage.kernels.group import rows_by_number
from storage.rest import as_rest, encode_arrays
from storage.take import take_array
from storage.tempo_blocks.values import Kind, Rows, TypedValues

_KINDS: tuple[Kind, ...] = (*ARROW_TYPES, "other")
_OTHER = _KINDS.index("other")
_ENTRY: pa.StructType = REST.value_type


@dataclass(frozen=True, slots=True)
class _Sorted:
    """All values of all parts by key, then row; those of one key in one row in the order in which they were sent.

    `part` and `at` say where each value stands. `is_first` marks what counts: the first of a key in a row.
    """

    keys: pa.StringArray
    bounds: npt.NDArray[np.int32]  # where each key's values begin
    rows: Rows
    kinds: npt.NDArray[np.int8]
    part: npt.NDArray[np.int32]
    at: Rows
    places: Rows
    is_first: npt.NDArray[np.bool_]


def shred(
    scope: Scope, row_count: int, parts: Sequence[TypedValues], limit: int = MAX_ATTRIBUTE_COLUMNS
) -> dict[str, pa.Array]:
    """Return the attribute columns of a table of `row_count` rows, at most `limit`, and `rest` if it holds anything."""
    parts = [_coded(part) for part in parts if len(part.rows)]
    if not parts:
        return {}
    found = _sort(parts, row_count)
    chosen = _choose_columns(found, limit)
    in_column = np.zeros(len(found.rows), np.bool_)
    columns = {}
    for key, kind in chosen:
        start, stop = found.bounds[key], found.bounds[key + 1]
        own = start + np.flatnonzero(found.is_first[start:stop] & (found.kinds[start:stop] == kind))
        in_column[own] = True
        type_name = _KINDS[kind]
        name = column_name(scope, found.keys[key].as_py(), type_name)  # type: ignore[arg-type]  # "other" is not chosen
        columns[name] = _column(parts[found.part[own[0]]].values, found.at[own], found.rows[own], row_count)
    rest = np.flatnonzero(~in_column)
    if len(rest):
        columns[REST_FIELD.name] = _rest(parts, found, rest, row_count)
    return columns


def _coded(part: TypedValues) -> TypedValues:
    """Return strings as codes, so that columns share their texts."""
    if part.type != "str":
        return part
    return TypedValues(part.type, part.rows, part.keys, part.places, part.values.dictionary_encode().cast(STRING))


def _sort(parts: Sequence[TypedValues], row_count: int) -> _Sorted:
    encoded = pa.chunked_array([part.keys for part in parts]).unify_dictionaries()
    keys = encoded.chunk(0).dictionary
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks]).astype(np.int32)
    rows = np.concatenate([part.rows for part in parts])
    kinds = np.repeat([_KINDS.index(part.type) for part in parts], [len(part.rows) for part in parts]).astype(np.int8)
    number = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.rows) for part in parts])
    at = np.concatenate([np.arange(len(part.rows)) for part in parts])
    places = np.concatenate([part.places for part in parts])
    by_row, _ = rows_by_number(rows.astype(np.int32), row_count)
    by_key, bounds = rows_by_number(codes[by_row], len(keys))
    order = by_row[by_key]
    repeated = _equal_neighbours(codes[order], rows[order])
    if repeated.any():
        order = np.lexsort((places, rows, codes))
    return _Sorted(keys, bounds, rows[order], kinds[order], number[order], at[order], places[order], ~repeated)


def _equal_neighbours(codes: npt.NDArray[np.int32], rows: Rows) -> npt.NDArray[np.bool_]:
    """Return which values have the key and the row of the one before."""
    return np.append(False, (codes[1:] == codes[:-1]) & (rows[1:] == rows[:-1]))


def _choose_columns(found: _Sorted, limit: int) -> list[tuple[int, int]]:
    """Return keys and types, those that most rows have a value of; equally frequent ones by name."""
    codes = np.repeat(np.arange(len(found.keys)), np.diff(found.bounds))
    fits = found.is_first & (found.kinds != _OTHER)
    slots, counts = np.unique(codes[fits] * len(_KINDS) + found.kinds[fits], return_counts=True)
    if len(slots) > limit:
        rank = np.empty(len(found.keys), np.int64)
        rank[pc.sort_indices(found.keys).to_numpy()] = np.arange(len(rank))
        slots = slots[np.lexsort((rank[slots // len(_KINDS)], -counts))[:limit]]
    return [(int(slot) // len(_KINDS), int(slot) % len(_KINDS)) for slot in slots]


def _column(values: pa.Array, at: Rows, rows: Rows, row_count: int) -> pa.Array:
    """Return a column that has the values `at` in some rows and nulls elsewhere."""
    own = take_array(values, at.astype(np.int32))
    if len(rows) == row_count:
        return own
    source = np.full(row_count, -1, np.int32)
    source[rows] = np.arange(len(rows), dtype=np.int32)
    return own.take(pa.array(source, mask=source < 0))


def _rest(parts: Sequence[TypedValues], found: _Sorted, chosen: Rows, row_count: int) -> pa.ListArray:
    """Return the chosen values as `rest`."""
    codes = np.searchsorted(found.bounds, chosen, side="right") - 1
    entries, rows, places = [], [], []
    for number, part in enumerate(parts):
        own = chosen[found.part[chosen] == number]
        values = part.values.take(pa.array(found.at[own]))
        entries.append(_entries(part.type, found.keys.take(pa.array(codes[found.part[chosen] == number])), values))
        rows.append(found.rows[own])
        places.append(found.places[own])
    order = np.argsort(np.concatenate(places), kind="stable")
    return as_rest(pa.concat_arrays(entries).take(pa.array(order)), np.concatenate(rows)[order], row_count)


def _entries(kind: Kind, keys: pa.StringArray, values: pa.Array) -> pa.StructArray:
    """Return values of one type as entries of `rest`."""
    if kind.endswith("[]"):
        kind, values = "other", encode_arrays(values, kind)  # type: ignore[arg-type]  # a list's type
    fields = {f.name: values.cast(f.type) if f.name == kind else pa.nulls(len(values), f.type) for f in _ENTRY}
    fields["key"] = keys
    return pa.StructArray.from_arrays(list(fields.values()), fields=list(_ENTRY))
