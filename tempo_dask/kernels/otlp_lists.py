"""Attributes that are arrays of one plain type: list columns, measured first and then written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from tempo_dask.kernels.otlp_attributes import SIZE_SHIFT
from tempo_dask.kernels.otlp_scatter import OUT_I64_2D, column_of_staged, type_of_staged
from tempo_dask.kernels.otlp_schema import ITEM
from tempo_dask.kernels.otlp_values import BOOLS, FLOATS, STRS, attribute_member, find_member, place_of, skip
from tempo_dask.kernels.otlp_wire import LOW_32, called, copy, load_64, read_u32, stay_apart, varint, varint_end
from tempo_dask.kernels.signatures import I32, I64, OUT_I32, OUT_I64, OUT_U8


@called
def _next_item(at: int, end: int) -> int:
    """Return where the AnyValue of the next item of an array begins, 0 if there is none."""
    stay_apart()
    while at < end:
        head = read_u32(at, end)
        if head < 0:
            return 0
        at += head >> 32
        if head & LOW_32 == ITEM:
            return at
        at = skip(at, end, head & LOW_32)
        if at < 0:
            return 0
    return 0


@njit(types.void(OUT_I64_2D, I64, I32, OUT_I64, OUT_I64), cache=True, nogil=True, error_model="numpy")
def measure_lists(staged: Any, queue: Any, column_of: Any, items: Any, lengths: Any) -> None:
    """Count the items of each column, and the bytes of those that are strings."""
    for i in range(queue.size):
        owner, place, kind = staged[queue[i]]
        column = column_of_staged(column_of, owner, kind)
        if column < 0:
            continue
        end = place + (kind >> SIZE_SHIFT)
        at = place_of(attribute_member(place, end))
        head = read_u32(at, end)
        at += head >> 32
        end = at + (head & LOW_32)
        at = _next_item(at, end)
        while at > 0:
            head = read_u32(at, end)
            at += head >> 32
            stop = at + (head & LOW_32)
            items[column] += 1
            if type_of_staged(kind) == STRS:
                lengths[column] += read_u32(place_of(find_member(at, stop, 0)), stop) & LOW_32
            at = _next_item(stop, end)


@njit(
    types.void(OUT_I64_2D, I64, I32, I64, I64, I64, OUT_I32, OUT_I64, OUT_I32, OUT_U8, OUT_U8),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def fill_lists(
    staged: Any,
    queue: Any,
    column_of: Any,
    list_at: Any,
    item_at: Any,
    byte_at: Any,
    offsets: Any,
    words: Any,
    ends: Any,
    data: Any,
    bits: Any,
) -> None:
    """Write lists and their items.

    The lists of column c begin at `list_at[c]` of `offsets` (one more than rows), its items at `item_at[c]` of `words`
    (int, float), of `bits` (bool, a byte each) or of `ends` (str: where each ends), the bytes of strings at
    `byte_at[c]` of `data`. Offsets hold the number of items of each row, to be added up.
    """
    written = np.zeros(item_at.size, np.int64)
    filled = np.zeros(item_at.size, np.int64)
    to = np.int64(data.ctypes.data)
    for i in range(queue.size):
        owner, place, kind = staged[queue[i]]
        column = column_of_staged(column_of, owner, kind)
        if column < 0:
            continue
        value_type = type_of_staged(kind)
        end = place + (kind >> SIZE_SHIFT)
        at = place_of(attribute_member(place, end))
        head = read_u32(at, end)
        at += head >> 32
        end = at + (head & LOW_32)
        at = _next_item(at, end)
        while at > 0:
            head = read_u32(at, end)
            at += head >> 32
            stop = at + (head & LOW_32)
            value = place_of(find_member(at, stop, 0))
            item = item_at[column] + written[column]
            written[column] += 1
            offsets[list_at[column] + (owner & LOW_32) + 1] += 1
            if value_type == STRS:
                head = read_u32(value, stop)
                copy(to + byte_at[column] + filled[column], value + (head >> 32), head & LOW_32)
                filled[column] += head & LOW_32
                ends[item] = filled[column]
            elif value_type == BOOLS:
                bits[item] = 1 if varint(value, varint_end(value, stop)) != 0 else 0
            elif value_type == FLOATS:
                words[item] = load_64(value)
            else:
                words[item] = varint(value, varint_end(value, stop))
            at = _next_item(stop, end)
