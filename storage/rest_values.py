"""The values of one key that the list column `rest` holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from storage.arrays import column_of, list_offsets
from storage.columns import ARROW_TYPES, Column, TypeName

_SCALARS: tuple[TypeName, ...] = ("str", "int", "float", "bool")
_ARRAYS: Mapping[str, TypeName] = {
    "string_value": "str[]",
    "int_value": "int[]",
    "double_value": "float[]",
    "bool_value": "bool[]",
}


def rest_values(rest: pa.ListArray, key: str) -> Mapping[TypeName, Column]:
    """Return the first value of `key` of each row, by type; values of no column type are left out."""
    offsets = list_offsets(rest)
    entries = rest.values.slice(offsets[0], offsets[-1] - offsets[0])
    found = np.flatnonzero(pc.equal(entries.field("key"), pa.scalar(key)).to_numpy(zero_copy_only=False))
    rows, first = np.unique(np.searchsorted(offsets - offsets[0], found, side="right") - 1, return_index=True)
    chosen = entries.take(pa.array(found[first]))
    columns = _arrays(chosen.field("other"), rows, len(rest))
    for name in _SCALARS:
        values = chosen.field(name)
        if values.null_count < len(values):
            columns[name] = _spread(values, rows, len(rest))
    return columns


def rest_keys(rest: pa.ListArray) -> pa.ListArray:
    """Return the keys of each row as a list column."""
    return pa.ListArray.from_arrays(pa.array(list_offsets(rest)), rest.values.field("key"))


def _spread(values: pa.Array, rows: npt.NDArray[np.int64], count: int) -> Column:
    """Return a column of `count` rows that has the values in `rows` and nulls elsewhere."""
    at = np.full(count, -1)
    at[rows] = np.arange(len(rows))
    return column_of(values.take(pa.array(at, mask=at < 0)))


def _arrays(encoded: pa.BinaryArray, rows: npt.NDArray[np.int64], count: int) -> dict[TypeName, Column]:
    """Return those values in wire form that are arrays of one type."""
    lists: dict[TypeName, list[list[object] | None]] = {}
    for at, value in enumerate(encoded.to_pylist()):
        if value is None:
            continue
        elements = AnyValue.FromString(value).array_value.values
        kinds = {element.WhichOneof("value") for element in elements}
        if len(kinds) == 1 and (name := _ARRAYS.get(kinds.pop() or "")):
            lists.setdefault(name, [None] * len(rows))[at] = list(_elements(elements))
    return {name: _spread(pa.array(items, ARROW_TYPES[name]), rows, count) for name, items in lists.items()}


def _elements(elements: Iterable[AnyValue]) -> Iterable[object]:
    return (getattr(element, cast("str", element.WhichOneof("value"))) for element in elements)
