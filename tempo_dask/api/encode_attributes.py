"""Attributes of a table's rows as fragments of an answer: JSON objects or `KeyValue` messages.

A fragment is made once per distinct value of a column and shared by all rows that have it, so the work grows
with the number of values, not with rows times columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from storage.columns import is_attribute_column, split_column_name

F = TypeVar("F")

#: Makes the fragment of an attribute out of its key, the type name of its column and the value; the type name is
#: "other" where the value is an `AnyValue` in wire form.
MakeFragment: TypeAlias = Callable[[str, str, Any], F]


def attributes_by_row(table: pa.Table, make: MakeFragment[F]) -> list[list[F]]:
    """Return for each row its attributes: typed columns in their order, then what `rest` holds."""
    rows: list[list[F]] = [[] for _ in range(table.num_rows)]
    for index, name in enumerate(table.column_names):
        if is_attribute_column(name):
            _, key, kind = split_column_name(name)
            _add_column(rows, table.column(index), key, kind, make)
    if "rest" in table.column_names:
        _add_rest(rows, table.column("rest"), make)
    return rows


def _add_column(rows: list[list[F]], column: pa.ChunkedArray[Any], key: str, kind: str, make: MakeFragment[F]) -> None:
    if column.null_count == len(column):
        return
    present = _true_rows(column.is_valid())
    values = column.drop_null()
    if pa.types.is_list(values.type) or pa.types.is_floating(values.type):
        fragments = [make(key, kind, value) for value in values.to_pylist()]
    else:
        fragments = _shared(values.combine_chunks(), lambda value: make(key, kind, value))
    for row, fragment in zip(present, fragments, strict=True):
        rows[row].append(fragment)


def _shared(values: pa.Array[Any], make: Callable[[Any], F]) -> list[F]:
    """Return a fragment per value, made once per distinct value."""
    encoded: Any = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    used = pc.unique(encoded.indices)
    distinct = encoded.dictionary.take(used).to_pylist()
    fragments = {code: make(value) for code, value in zip(used.to_pylist(), distinct, strict=True)}
    return [fragments[code] for code in encoded.indices.to_numpy().tolist()]


def _add_rest(rows: list[list[F]], column: pa.ChunkedArray[Any], make: MakeFragment[F]) -> None:
    present = _true_rows(pc.not_equal(pc.list_value_length(column), pa.scalar(0, pa.int32())))
    found: Any = column.take(pa.array(present, pa.int64())).to_pylist()
    for row, entries in zip(present, found, strict=True):
        rows[row].extend(_rest_fragment(entry, make) for entry in entries)


def _true_rows(mask: Any) -> list[int]:
    rows: list[int] = pc.indices_nonzero(mask).to_numpy().tolist()
    return rows


def _rest_fragment(entry: dict[str, Any], make: MakeFragment[F]) -> F:
    key = entry["key"]
    for kind in ("str", "int", "float", "bool"):
        if entry[kind] is not None:
            return make(key, kind, entry[kind])
    return make(key, "other", entry["other"] or b"")
