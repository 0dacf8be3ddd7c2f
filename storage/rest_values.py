"""The values of one key that the list column `rest` holds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.arrays import column_of, list_offsets
from storage.columns import Column, TypeName
from storage.rest_lists import lists_in

_SCALARS: tuple[TypeName, ...] = ("str", "int", "float", "bool")


def rest_values(rest: pa.ListArray, key: str) -> Mapping[TypeName, Column]:
    """Return the first value of `key` of each row, by type; values of no column type are left out."""
    offsets = list_offsets(rest)
    entries = rest.values.slice(offsets[0], offsets[-1] - offsets[0])
    found = np.flatnonzero(pc.equal(entries.field("key"), pa.scalar(key)).to_numpy(zero_copy_only=False))
    rows, first = np.unique(np.searchsorted(offsets - offsets[0], found, side="right") - 1, return_index=True)
    chosen = entries.take(pa.array(found[first]))
    lists = lists_in(chosen.field("other"))
    columns = {name: _spread(values, rows[at], len(rest)) for name, values, at in lists}
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
