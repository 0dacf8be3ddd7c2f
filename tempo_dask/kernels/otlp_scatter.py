"""From staged attributes to columns: plain values to their places, the others noted, strings to their dictionaries."""

from __future__ import annotations

from typing import Any

from numba import njit, types

from tempo_dask.kernels.otlp_attributes import REPEATED
from tempo_dask.kernels.otlp_intern import number_of
from tempo_dask.kernels.otlp_values import BOOL, COLUMN_TYPES, OTHER, STR
from tempo_dask.kernels.otlp_wire import LOW_32, copy, inlined
from tempo_dask.kernels.signatures import I32, I64, OUT_I32, OUT_I64, OUT_U8

OUT_I64_2D = types.Array(types.int64, 2, "C")
_TYPE_MASK = REPEATED - 1


@inlined
def type_of_staged(kind: int) -> int:
    """Return the type of a staged attribute."""
    return kind & _TYPE_MASK


@inlined
def column_of_staged(column_of: Any, owner: int, kind: int) -> int:
    """Return the column that a staged attribute goes to, -1 where to `rest`."""
    if kind & REPEATED or type_of_staged(kind) == OTHER:
        return -1
    return column_of[(owner >> 32) * COLUMN_TYPES + type_of_staged(kind)]


@njit(
    types.int64(OUT_I64_2D, types.int64, I32, I64, I64, OUT_I64, OUT_I32, OUT_U8, OUT_I64),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def scatter(
    staged: Any,
    count: int,
    column_of: Any,
    data_at: Any,
    valid_at: Any,
    words: Any,
    codes: Any,
    bits: Any,
    queue: Any,
) -> int:
    """Write the plain values of `count` staged attributes to their columns; return how many others there are.

    `column_of[key, type]` is a column or -1. The values of column c begin at `data_at[c]` of `words` (int, float), of
    `codes` (str) or as bits in byte `data_at[c]` of `bits` (bool), its validity in byte `valid_at[c]` of `bits`. The
    numbers of the others, in lists or of no column, go to `queue`.
    """
    others = 0
    for i in range(count):
        owner = staged[i, 0]
        kind = staged[i, 2]
        value_type = type_of_staged(kind)
        column = column_of_staged(column_of, owner, kind)
        if column < 0 or value_type > BOOL:
            queue[others] = i
            others += 1
            continue
        row = owner & LOW_32
        bits[valid_at[column] + (row >> 3)] |= 1 << (row & 7)
        if value_type == STR:
            codes[data_at[column] + row] = number_of(staged[i, 1])
        elif value_type == BOOL:
            bits[data_at[column] + (row >> 3)] |= staged[i, 1] << (row & 7)
        else:
            words[data_at[column] + row] = staged[i, 1]
    return others


@njit(types.void(OUT_I64_2D, types.int64, I64, OUT_I64, OUT_I32, OUT_U8), cache=True, nogil=True, error_model="numpy")
def copy_strings(strings: Any, count: int, first: Any, at: Any, offsets: Any, data: Any) -> None:
    """Write the strings of dictionaries one dictionary after another.

    The offsets of dictionary d begin at `first[d]` (-1: it is left out), its bytes at `at[d]` of `data`, to which its
    offsets are relative; `at` is moved on to where it ends.
    """
    to = data.ctypes.data
    for i in range(count):
        dictionary = strings[i, 2] >> 32
        if dictionary < 0 or first[dictionary] < 0:
            continue
        size = strings[i, 1]
        copy(to + at[dictionary], strings[i, 0], size)
        at[dictionary] += size
        place = first[dictionary] + (strings[i, 2] & LOW_32)
        offsets[place + 1] = offsets[place] + size
