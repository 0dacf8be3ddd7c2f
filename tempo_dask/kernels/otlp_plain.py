"""Columns of plain values: staged attributes go to their places, the others are noted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit, types

from storage.columns import STRING
from tempo_dask.kernels.otlp_attributes import KEY_DICTIONARIES
from tempo_dask.kernels.otlp_choose import Columns, Numbers, places, staged_column, staged_type
from tempo_dask.kernels.otlp_decode import RECORDS, Walked
from tempo_dask.kernels.otlp_strings import Dictionaries
from tempo_dask.kernels.otlp_values import BOOL, FLOAT, INT, STR
from tempo_dask.kernels.otlp_wire import LOW_32
from tempo_dask.kernels.signatures import I32, I64, OUT_I32, OUT_I64, OUT_U8


@njit(
    types.int64(RECORDS, I32, I64, I64, OUT_I64, OUT_I32, OUT_U8, OUT_I64),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _scatter(
    staged: Any, column_of: Any, data_at: Any, valid_at: Any, words: Any, codes: Any, bits: Any, queue: Any
) -> int:
    """Write the plain values of staged attributes to their columns; return how many others there are.

    The values of column c begin at `data_at[c]` of `words` (int, float), of `codes` (str) or as bits in byte
    `data_at[c]` of `bits` (bool), its validity in byte `valid_at[c]` of `bits`. The numbers of the others, in lists or
    of no column, go to `queue` as far as it goes.
    """
    others = 0
    for i in range(staged.shape[0]):
        owner = staged[i, 0]
        kind = staged[i, 2]
        value_type = staged_type(kind)
        column = staged_column(column_of, owner, kind)
        if column < 0 or value_type > BOOL:
            if others < queue.size:
                queue[others] = i
            others += 1
            continue
        row = owner & LOW_32
        bits[valid_at[column] + (row >> 3)] |= 1 << (row & 7)
        if value_type == STR:
            codes[data_at[column] + row] = staged[i, 1] & LOW_32
        elif value_type == BOOL:
            bits[data_at[column] + (row >> 3)] |= staged[i, 1] << (row & 7)
        else:
            words[data_at[column] + row] = staged[i, 1]
    return others


def plain_arrays(walked: Walked, columns: Columns, texts: Dictionaries) -> tuple[dict[int, pa.Array], Numbers]:
    """Return the columns of plain values by number, and the numbers of the attributes that are not in them."""
    are_bits = columns.types == BOOL
    are_codes = columns.types == STR
    are_words = (columns.types == INT) | (columns.types == FLOAT)
    bit_bytes = (columns.rows + 7) // 8
    valid_at, valid_size = places(bit_bytes, columns.types <= BOOL)
    bits_at, bits_size = places(bit_bytes, are_bits)
    codes_at, codes_size = places(columns.rows, are_codes)
    words_at, words_size = places(columns.rows, are_words)
    data_at = np.select([are_bits, are_codes], [valid_size + bits_at, codes_at], words_at)
    words = np.zeros(words_size, np.int64)
    codes = np.zeros(codes_size, np.int32)
    bits = np.zeros(valid_size + bits_size, np.uint8)
    queue = np.empty(len(walked.attributes) - int(columns.values[columns.types <= BOOL].sum()), np.int64)
    others = _scatter(walked.attributes, columns.column_of, data_at, valid_at, words, codes, bits, queue)
    if others != queue.size:
        msg = f"{others} attributes stand in no plain column, not {queue.size}"
        raise AssertionError(msg)
    wrap = _Wrap(pa.py_buffer(words), pa.py_buffer(codes), pa.py_buffer(bits), texts)
    plain = np.flatnonzero(columns.types <= BOOL)
    chosen = (columns.types, columns.keys, columns.rows, columns.values, data_at, valid_at)
    rows = zip(*(numbers[plain].tolist() for numbers in chosen), strict=True)
    return {column: wrap(*row) for column, row in zip(plain.tolist(), rows, strict=True)}, queue


class _Wrap:
    """Makes arrays of parts of the buffers of all columns."""

    def __init__(self, words: pa.Buffer, codes: pa.Buffer, bits: pa.Buffer, texts: Dictionaries) -> None:
        self.words, self.codes, self.bits, self.texts = words, codes, bits, texts

    def __call__(self, value_type: int, key: int, rows: int, values: int, data_at: int, valid_at: int) -> pa.Array:
        valid = None if values == rows else self.bits.slice(valid_at, (rows + 7) // 8)
        nulls = rows - values
        if value_type == STR:
            codes = self.codes.slice(4 * data_at, 4 * rows)
            texts = self.texts.array(int(KEY_DICTIONARIES) + key)
            return pa.DictionaryArray.from_buffers(STRING, rows, [valid, codes], texts, nulls)
        if value_type == BOOL:
            return pa.Array.from_buffers(_BOOL, rows, [valid, self.bits.slice(data_at, (rows + 7) // 8)], nulls)
        dtype = _INT64 if value_type == INT else _FLOAT64
        return pa.Array.from_buffers(dtype, rows, [valid, self.words.slice(8 * data_at, 8 * rows)], nulls)


_BOOL, _INT64, _FLOAT64 = pa.bool_(), pa.int64(), pa.float64()
