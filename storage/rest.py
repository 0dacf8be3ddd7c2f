"""The list column `rest`: attributes that have no column of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from storage.arrays import single_chunk
from storage.columns import REST_FIELD


def bound_columns(tables: Sequence[pa.Table]) -> Sequence[pa.Table]:
    """Return the tables with their rarest attributes beyond the bound on columns moved to `rest`."""
    return [_with_one_form(table) for table in tables]


def _with_one_form(table: pa.Table) -> pa.Table:
    """Make null every empty list of `rest`, and leave the column out where it holds nothing."""
    if REST_FIELD.name not in table.column_names:
        return table
    rest = single_chunk(table.column(REST_FIELD.name))
    lengths = rest.value_lengths().fill_null(0).to_numpy()
    at = table.column_names.index(REST_FIELD.name)
    if not lengths.any():
        return table.remove_column(at)
    if np.count_nonzero(lengths) == len(rest) - rest.null_count:
        return table
    offsets = pa.array(np.append(0, np.cumsum(lengths)).astype(np.int32))
    lists = pa.ListArray.from_arrays(offsets, rest.flatten(), type=REST_FIELD.type, mask=pa.array(lengths == 0))
    return table.set_column(at, REST_FIELD, lists)
