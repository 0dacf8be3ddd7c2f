"""Attributes that have no column: entries of the list column `rest`, measured first, then written."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit, types

from storage.columns import REST
from tempo_dask.kernels.otlp_attributes import SIZE_SHIFT
from tempo_dask.kernels.otlp_choose import Columns, Numbers, staged_column, staged_type
from tempo_dask.kernels.otlp_decode import RECORDS, Walked
from tempo_dask.kernels.otlp_intern import address_of, size_of
from tempo_dask.kernels.otlp_lists import list_array
from tempo_dask.kernels.otlp_state import TABLES
from tempo_dask.kernels.otlp_values import BOOL, FLOAT, INT, OTHER, STR, copy_other, other_size
from tempo_dask.kernels.otlp_wire import LOW_32, copy
from tempo_dask.kernels.signatures import I32, I64, OUT_I32, OUT_I64, OUT_U8

_ENDS = types.Array(types.int32, 2, "C")

# What the entries of a table are measured in.
_ENTRIES, _KEY_BYTES, _STRING_BYTES, _OTHER_BYTES = range(4)


@njit(types.void(RECORDS, I64, I32, RECORDS, RECORDS, RECORDS), cache=True, nogil=True, error_model="numpy")
def _measure(staged: Any, queue: Any, column_of: Any, keys: Any, strings: Any, totals: Any) -> None:
    """Add up by table (rows of `totals`): entries, bytes of keys, of strings, of other values."""
    for i in range(queue.size):
        owner = staged[queue[i], 0]
        payload = staged[queue[i], 1]
        kind = staged[queue[i], 2]
        if staged_column(column_of, owner, kind) >= 0:
            continue
        string = keys[owner >> 32, 0]
        table = keys[owner >> 32, 1]
        totals[table, _ENTRIES] += 1
        totals[table, _KEY_BYTES] += size_of(string)
        if staged_type(kind) == STR:
            totals[table, _STRING_BYTES] += strings[payload >> 32, 1]
        elif staged_type(kind) > BOOL:
            totals[table, _OTHER_BYTES] += other_size(payload, payload + (kind >> SIZE_SHIFT))


@njit(
    types.void(
        RECORDS,
        I64,
        I32,
        RECORDS,
        RECORDS,
        types.int64,
        OUT_I32,
        OUT_U8,
        OUT_I64,
        _ENDS,
        OUT_U8,
        OUT_U8,
        OUT_U8,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _fill(
    staged: Any,
    queue: Any,
    column_of: Any,
    keys: Any,
    strings: Any,
    table: int,
    counts: Any,
    kinds: Any,
    words: Any,
    ends: Any,
    key_data: Any,
    string_data: Any,
    other_data: Any,
) -> None:
    """Write the entries of one table, in order.

    `counts[r + 1]` is how many row r has. Of each entry: its type in `kinds`, a plain value in `words`, and where key,
    string and other value end in the three rows of `ends` (entries + 1).
    """
    entry = 0
    key_to = np.int64(key_data.ctypes.data)
    string_to = np.int64(string_data.ctypes.data)
    other_to = np.int64(other_data.ctypes.data)
    for i in range(queue.size):
        owner = staged[queue[i], 0]
        payload = staged[queue[i], 1]
        kind = staged[queue[i], 2]
        if keys[owner >> 32, 1] != table or staged_column(column_of, owner, kind) >= 0:
            continue
        key = keys[owner >> 32, 0]
        key_end = ends[0, entry]
        string_end = ends[1, entry]
        other_end = ends[2, entry]
        copy(key_to + key_end, address_of(key), size_of(key))
        key_end += size_of(key)
        value_type = staged_type(kind)
        if value_type == STR:
            size = strings[payload >> 32, 1]
            copy(string_to + string_end, strings[payload >> 32, 0], size)
            string_end += size
        elif value_type <= BOOL:
            words[entry] = payload
        else:
            value_type = OTHER
            end = payload + (kind >> SIZE_SHIFT)
            copy_other(other_to + other_end, payload, end)
            other_end += other_size(payload, end)
        counts[(owner & LOW_32) + 1] += 1
        kinds[entry] = value_type
        entry += 1
        ends[0, entry] = key_end
        ends[1, entry] = string_end
        ends[2, entry] = other_end


def rest_arrays(walked: Walked, columns: Columns, queue: Numbers) -> list[pa.Array]:
    """Return the column `rest` of each table; rows that have nothing in it are null."""
    totals = np.zeros((int(TABLES), 4), np.int64)
    _measure(walked.attributes, queue, columns.column_of, walked.keys, walked.strings, totals)
    return [
        _rest_array(walked, columns, queue, table, sizes) if sizes[0] else pa.nulls(rows, REST)
        for table, (rows, sizes) in enumerate(zip(walked.rows, totals.tolist(), strict=True))
    ]


def _rest_array(walked: Walked, columns: Columns, queue: Numbers, table: int, sizes: list[int]) -> pa.Array:
    entries, *data_sizes = sizes
    counts = np.zeros(walked.rows[table] + 1, np.int32)
    kinds = np.empty(entries, np.uint8)
    words = np.zeros(entries, np.int64)
    ends = np.zeros((3, entries + 1), np.int32)
    data = [np.empty(size, np.uint8) for size in data_sizes]
    _fill(
        walked.attributes,
        queue,
        columns.column_of,
        walked.keys,
        walked.strings,
        table,
        counts,
        kinds,
        words,
        ends,
        *data,
    )
    children = [
        pa.StringArray.from_buffers(entries, pa.py_buffer(ends[0]), pa.py_buffer(data[0])),
        _child(pa.string(), kinds == STR, ends[1], data[1]),
        _child(pa.int64(), kinds == INT, words),
        _child(pa.float64(), kinds == FLOAT, words),
        _child(pa.bool_(), kinds == BOOL, np.packbits(words & 1, bitorder="little")),
        _child(pa.binary(), kinds == OTHER, ends[2], data[2]),
    ]
    structs = pa.Array.from_buffers(REST.value_type, entries, [None], 0, children=children)
    return list_array(structs, counts)


def _child(dtype: pa.DataType, are_set: npt.NDArray[np.bool_], *buffers: npt.NDArray[Any]) -> pa.Array:
    """Return one field of the entries, null but where it is set."""
    valid = np.packbits(are_set, bitorder="little")
    nulls = are_set.size - int(np.count_nonzero(are_set))
    return pa.Array.from_buffers(dtype, are_set.size, [pa.py_buffer(b) for b in (valid, *buffers)], nulls)
