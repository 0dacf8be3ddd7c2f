"""Columns of arrays of one plain type: measured first, then written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit, types

from tempo_dask.kernels.otlp_attributes import SIZE_SHIFT
from tempo_dask.kernels.otlp_choose import Columns, Numbers, places, staged_column, staged_type
from tempo_dask.kernels.otlp_decode import RECORDS, Walked
from tempo_dask.kernels.otlp_schema import ITEM
from tempo_dask.kernels.otlp_values import BOOLS, FLOATS, INTS, STRS, attribute_member, find_member, place_of, skip
from tempo_dask.kernels.otlp_wire import LOW_32, called, copy, load_64, read_u32, stay_apart, varint, varint_end
from tempo_dask.kernels.signatures import I32, I64, OUT_I32, OUT_I64, OUT_U8


@called
def _next_item(at: int, end: int) -> int:
    """Return where the length of the next item of an array stands, 0 if there is none."""
    stay_apart()
    while at < end:
        head = read_u32(at, end)
        if head < 0:
            return 0
        at += head >> 32
        stop = skip(at, end, head & LOW_32)
        if stop < 0:
            return 0
        if head & LOW_32 == ITEM:
            return at
        at = stop
    return 0


@njit(types.void(RECORDS, I64, I32, OUT_I64, OUT_I64), cache=True, nogil=True, error_model="numpy")
def _measure(staged: Any, queue: Any, column_of: Any, items: Any, lengths: Any) -> None:
    """Count the items of each column, and the bytes of those that are strings."""
    for i in range(queue.size):
        owner = staged[queue[i], 0]
        at = staged[queue[i], 1]
        kind = staged[queue[i], 2]
        column = staged_column(column_of, owner, kind)
        if column < 0:
            continue
        end = at + (kind >> SIZE_SHIFT)
        at = place_of(attribute_member(at, end))
        head = read_u32(at, end)
        end = at + (head >> 32) + (head & LOW_32)
        at = _next_item(at + (head >> 32), end)
        while at > 0:
            head = read_u32(at, end)
            at += head >> 32
            stop = at + (head & LOW_32)
            items[column] += 1
            if staged_type(kind) == STRS:
                lengths[column] += read_u32(place_of(find_member(at, stop, 0)), stop) & LOW_32
            at = _next_item(stop, end)


@njit(
    types.void(RECORDS, I64, I32, I64, I64, I64, OUT_I32, OUT_I64, OUT_I32, OUT_U8, OUT_U8),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _fill(
    staged: Any,
    queue: Any,
    column_of: Any,
    list_at: Any,
    item_at: Any,
    byte_at: Any,
    counts: Any,
    words: Any,
    ends: Any,
    flags: Any,
    data: Any,
) -> None:
    """Write lists and their items.

    The number of items in row r of column c goes to place `list_at[c] + r + 1` of `counts`; its items begin at
    `item_at[c]` of `words` (int, float), of `flags` (bool) or of `ends` (str: where each ends), the bytes of strings
    at `byte_at[c]` of `data`.
    """
    written = np.zeros(item_at.size, np.int64)
    filled = np.zeros(item_at.size, np.int64)
    to = np.int64(data.ctypes.data)
    for i in range(queue.size):
        owner = staged[queue[i], 0]
        at = staged[queue[i], 1]
        kind = staged[queue[i], 2]
        column = staged_column(column_of, owner, kind)
        if column < 0:
            continue
        value_type = staged_type(kind)
        end = at + (kind >> SIZE_SHIFT)
        at = place_of(attribute_member(at, end))
        head = read_u32(at, end)
        end = at + (head >> 32) + (head & LOW_32)
        at = _next_item(at + (head >> 32), end)
        while at > 0:
            head = read_u32(at, end)
            at += head >> 32
            stop = at + (head & LOW_32)
            value = place_of(find_member(at, stop, 0))
            item = item_at[column] + written[column]
            written[column] += 1
            counts[list_at[column] + (owner & LOW_32) + 1] += 1
            if value_type == STRS:
                head = read_u32(value, stop)
                copy(to + byte_at[column] + filled[column], value + (head >> 32), head & LOW_32)
                filled[column] += head & LOW_32
                ends[item] = filled[column]
            elif value_type == BOOLS:
                flags[item] = varint(value, varint_end(value, stop)) != 0
            elif value_type == FLOATS:
                words[item] = load_64(value)
            else:
                words[item] = varint(value, varint_end(value, stop))
            at = _next_item(stop, end)


@dataclass(frozen=True, slots=True)
class _Items:
    """The items of all columns, those of one after those of another."""

    words: Numbers
    ends: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]
    data: npt.NDArray[np.uint8]

    def array(self, value_type: int, first: int, count: int, byte_at: int, length: int) -> pa.Array:
        """Return the items of one column."""
        part = slice(first, first + count)
        if value_type == STRS:
            offsets = np.zeros(count + 1, np.int32)
            offsets[1:] = self.ends[part]
            data = self.data[byte_at : byte_at + length]
            return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data))
        if value_type == BOOLS:
            bits = np.packbits(self.flags[part], bitorder="little")
            return pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(bits)], 0)
        dtype = pa.int64() if value_type == INTS else pa.float64()
        return pa.Array.from_buffers(dtype, count, [None, pa.py_buffer(self.words[part])], 0)


def list_arrays(walked: Walked, columns: Columns, queue: Numbers) -> dict[int, pa.Array]:
    """Return the columns of lists by number."""
    are_lists = columns.types >= STRS
    if not are_lists.any():
        return {}
    counts = np.zeros(columns.keys.size, np.int64)
    lengths = np.zeros(columns.keys.size, np.int64)
    _measure(walked.attributes, queue, columns.column_of, counts, lengths)
    list_at, lists_size = places(columns.rows + 1, are_lists)
    item_at, items_size = places(counts, are_lists)
    byte_at, bytes_size = places(lengths, are_lists)
    offsets = np.zeros(lists_size, np.int32)
    items = _Items(
        np.zeros(items_size, np.int64),
        np.zeros(items_size, np.int32),
        np.zeros(items_size, np.uint8),
        np.zeros(bytes_size, np.uint8),
    )
    _fill(
        walked.attributes,
        queue,
        columns.column_of,
        list_at,
        item_at,
        byte_at,
        offsets,
        items.words,
        items.ends,
        items.flags,
        items.data,
    )
    arrays = {}
    for column in np.flatnonzero(are_lists).tolist():
        values = items.array(*(int(n[column]) for n in (columns.types, item_at, counts, byte_at, lengths)))
        arrays[column] = list_array(values, offsets[list_at[column] :][: columns.rows[column] + 1])
    return arrays


def list_array(values: pa.Array, counts: npt.NDArray[np.int32]) -> pa.Array:
    """Return lists of `values`: `counts[r + 1]` of them in row r, null where that is none; `counts` is overwritten."""
    rows = counts.size - 1
    are_set = counts[1:] > 0
    nulls = rows - int(np.count_nonzero(are_set))
    valid = pa.py_buffer(np.packbits(are_set, bitorder="little")) if nulls else None
    np.cumsum(counts, out=counts)
    dtype = pa.list_(values.type)
    return pa.Array.from_buffers(dtype, rows, [valid, pa.py_buffer(counts)], nulls, children=[values])
