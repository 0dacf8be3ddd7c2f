"""Attributes that have no column: entries of the list column `rest`, measured first and then written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from tempo_dask.kernels.otlp_attributes import SIZE_SHIFT
from tempo_dask.kernels.otlp_intern import address_of, size_of
from tempo_dask.kernels.otlp_scatter import OUT_I64_2D, column_of_staged, type_of_staged
from tempo_dask.kernels.otlp_values import BOOL, OTHER, STR, copy_other, other_size
from tempo_dask.kernels.otlp_wire import LOW_32, copy
from tempo_dask.kernels.signatures import I32, I64, OUT_I32, OUT_I64, OUT_U8


@njit(types.void(OUT_I64_2D, I64, I32, OUT_I64_2D, OUT_I64_2D), cache=True, nogil=True, error_model="numpy")
def measure_rest(staged: Any, queue: Any, column_of: Any, keys: Any, totals: Any) -> None:
    """Add up by table (rows of `totals`): entries, bytes of keys, of strings, of other values."""
    for i in range(queue.size):
        owner, payload, kind = staged[queue[i]]
        if column_of_staged(column_of, owner, kind) >= 0:
            continue
        key = owner >> 32
        table = keys[key, 1]
        totals[table, 0] += 1
        totals[table, 1] += size_of(keys[key, 0])
        if type_of_staged(kind) == STR:
            totals[table, 2] += size_of(payload)
        elif type_of_staged(kind) > BOOL:
            totals[table, 3] += other_size(payload, payload + (kind >> SIZE_SHIFT))


@njit(
    types.void(
        OUT_I64_2D,
        I64,
        I32,
        OUT_I64_2D,
        types.int64,
        OUT_I32,
        OUT_U8,
        OUT_I64,
        types.Array(types.int32, 2, "C"),
        OUT_U8,
        OUT_U8,
        OUT_U8,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def fill_rest(
    staged: Any,
    queue: Any,
    column_of: Any,
    keys: Any,
    table: int,
    offsets: Any,
    kinds: Any,
    words: Any,
    ends: Any,
    key_data: Any,
    string_data: Any,
    other_data: Any,
) -> None:
    """Write the entries of one table, in order.

    `offsets` (rows + 1) get the number of entries of each row, to be added up. Of each entry: its type in `kinds`, a
    plain value in `words`, where key, string and other value end in the three rows of `ends` (entries + 1).
    """
    entry = 0
    for i in range(queue.size):
        owner, payload, kind = staged[queue[i]]
        key = owner >> 32
        if keys[key, 1] != table or column_of_staged(column_of, owner, kind) >= 0:
            continue
        offsets[(owner & LOW_32) + 1] += 1
        value_type = type_of_staged(kind)
        kinds[entry] = value_type if value_type <= BOOL else OTHER
        string = keys[key, 0]
        copy(np.int64(key_data.ctypes.data) + ends[0, entry], address_of(string), size_of(string))
        ends[0, entry + 1] = ends[0, entry] + size_of(string)
        ends[1, entry + 1] = ends[1, entry]
        ends[2, entry + 1] = ends[2, entry]
        if value_type == STR:
            copy(np.int64(string_data.ctypes.data) + ends[1, entry], address_of(payload), size_of(payload))
            ends[1, entry + 1] += size_of(payload)
        elif value_type <= BOOL:
            words[entry] = payload
        else:
            end = payload + (kind >> SIZE_SHIFT)
            copy_other(np.int64(other_data.ctypes.data) + ends[2, entry], payload, end)
            ends[2, entry + 1] += other_size(payload, end)
        entry += 1
