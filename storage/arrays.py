"""Arrow arrays seen as NumPy arrays, without copies, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import Column
from storage.kernels.gather import unpack_bits

NO_BITS: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
_NO_STARTS: npt.NDArray[np.int32] = np.zeros(1, np.int32)


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Make an array read-only and return it."""
    array.flags.writeable = False
    return array


def single_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, copying only where it has several chunks."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def values(array: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the fixed-width values of an array (nulls hold anything); of a dictionary array its codes."""
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(len(array), dtype)
    return frozen(np.frombuffer(buffer, dtype, len(array), array.offset * np.dtype(dtype).itemsize))


def list_offsets(array: pa.ListArray) -> npt.NDArray[np.int32]:
    """Return where each list begins in `array.values`, and where the last one ends."""
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return np.zeros(1, np.int32)
    return frozen(np.frombuffer(buffer, np.int32, len(array) + 1, array.offset * 4))


def string_parts(array: pa.StringArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Return where the strings of an array begin and end in its text (one more than strings), and the text."""
    _, starts, text = array.buffers()
    if starts is None:
        return _NO_STARTS, NO_BITS
    return np.frombuffer(starts, np.int32, len(array) + 1, array.offset * 4), np.frombuffer(text or b"", np.uint8)


def validity(array: pa.Array) -> npt.NDArray[np.uint8] | None:
    """Return the bitmap of an array from its buffer's start (mind `array.offset`), None if no value is null."""
    buffer = array.buffers()[0]
    return None if buffer is None or array.null_count == 0 else np.frombuffer(buffer, np.uint8)


def id_words(array: pa.Array) -> npt.NDArray[np.uint64]:
    """Return ids of 8 or 16 bytes as (rows, words) of 64 bits that compare as the bytes do."""
    words = array.type.byte_width // 8
    return values(array, f"V{array.type.byte_width}").view(">u8").astype(np.uint64).reshape(-1, words)


def sort_key(numbers: npt.NDArray[np.signedinteger[Any]]) -> npt.NDArray[np.uint64]:
    """Return signed integers as unsigned ones of the same order."""
    return numbers.astype(np.int64).view(np.uint64) ^ np.uint64(1 << 63)


def from_values(
    rows: int,
    data: npt.NDArray[Any],
    type_: pa.DataType,
    bitmap: npt.NDArray[np.uint8] = NO_BITS,
    null_count: int = 0,
) -> pa.Array:
    """Return a fixed-width Arrow array over `data` (for booleans a bitmap); `bitmap` tells which rows are null."""
    valid = pa.py_buffer(bitmap) if null_count else None
    return pa.Array.from_buffers(type_, rows, [valid, pa.py_buffer(data)], null_count)


def column_of(array: pa.Array) -> Column:
    """Return an array as kernels take it; data and offsets without a copy where Arrow holds them so."""
    bits = validity(array)
    valid = None if bits is None else frozen(unpack_bits(bits, array.offset, len(array)))
    type_ = array.type
    if pa.types.is_list(type_):
        return _list_column(array, valid)
    if pa.types.is_dictionary(type_):
        return Column(values(array, np.int32), valid, array.dictionary)
    if pa.types.is_string(type_):
        encoded = array.dictionary_encode()
        return Column(values(encoded, np.int32), valid, encoded.dictionary)
    if pa.types.is_boolean(type_):
        packed = np.frombuffer(array.buffers()[1] or b"", np.uint8)
        return Column(frozen(unpack_bits(packed, array.offset, len(array))), valid)
    if pa.types.is_fixed_size_binary(type_):
        width = type_.byte_width
        return Column(values(array, f"V{width}").view(np.uint8).reshape(-1, width), valid)
    return Column(values(array, _DTYPES.get(type_, np.int64)), valid)


_DTYPES: dict[pa.DataType, type[np.generic]] = {
    pa.int32(): np.int32,
    pa.uint32(): np.uint32,
    pa.float64(): np.float64,
}


def owners_within(array: pa.Array, first_span: int) -> Column:
    """Return the spans of events or links, counted from the unit's first span."""
    return Column(frozen(values(array, np.uint32) - np.uint32(first_span)))


def _list_column(array: pa.ListArray, valid: npt.NDArray[np.uint8] | None) -> Column:
    """Return a list column whose offsets count from its own first element."""
    offsets = list_offsets(array)
    elements = column_of(array.values.slice(offsets[0], offsets[-1] - offsets[0]))
    return Column(elements.data, valid, elements.dictionary, frozen(offsets - offsets[0]))
