"""Equal rows get equal codes: the whole content of a row as one number.

Codes are exact, no hashes: a column becomes codes of its values, and codes of two columns side by side become
codes of the pairs. A list is the sequence of its elements' codes, a struct the codes of its fields, so every
Arrow type that holds spans has codes. Floats compare by their bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.arrays import list_offsets, single_chunk
from storage.kernels.group import number_pairs

#: So many possible pairs are numbered by a table of all of them.
_FEW_PAIRS = 1 << 14

Codes = npt.NDArray[np.int64]
Columns = Sequence[pa.ChunkedArray | pa.Array]


def row_codes(columns: Columns, rows: int, *, ranked: bool = False) -> Codes:
    """Return a number per row, equal where all columns are equal.

    The numbers are dense from 0. `ranked` numbers depend on the values alone, not on the order of the rows: they
    order rows by the columns, from the first to the last.
    """
    codes = np.zeros(rows, np.int64)
    if rows <= 1:
        return codes
    for column in columns:
        array = single_chunk(column) if isinstance(column, pa.ChunkedArray) else column
        if _is_constant(array):
            continue
        codes = _pair(codes, _column_codes(array, ranked=ranked), ranked=ranked)
        if codes.max() == rows - 1:  # all differ, whatever the other columns hold
            break
    return codes


def _is_constant(array: pa.Array) -> bool:
    """Tell whether all rows are plainly equal: null, or the only value of a dictionary."""
    is_one = pa.types.is_dictionary(array.type) and len(array.dictionary) == 1
    return bool(array.null_count == len(array) or (is_one and array.null_count == 0))


def _pair(first: Codes, second: Codes, *, ranked: bool) -> Codes:
    """Return codes of pairs of codes; both are below 2**31."""
    width = int(second.max(initial=0)) + 1
    if width == 1:
        return first
    height = int(first.max(initial=0)) + 1
    if not ranked and height * width <= _FEW_PAIRS:
        return number_pairs(first, second, height, width)
    return _encode(pa.array(first * width + second), ranked=ranked)


def _encode(array: pa.Array, *, ranked: bool) -> Codes:
    """Return codes of values that Arrow can encode; nulls have the highest."""
    encoded = array.dictionary_encode()
    count = len(encoded.dictionary)
    of_value: Codes = np.arange(count + 1)
    if ranked:
        of_value[pc.sort_indices(_sortable(encoded.dictionary)).to_numpy()] = np.arange(count)
    codes: Codes = of_value[encoded.indices.fill_null(count).to_numpy()]
    return codes


def _sortable(array: pa.Array) -> pa.Array:
    return array.cast(pa.binary()) if pa.types.is_fixed_size_binary(array.type) else array


def _column_codes(array: pa.Array, *, ranked: bool) -> Codes:
    type_ = array.type
    if pa.types.is_dictionary(type_):
        of_value = _encode(array.dictionary, ranked=ranked)
        codes: Codes = np.append(of_value, len(of_value))[array.indices.fill_null(len(of_value)).to_numpy()]
        return codes
    if pa.types.is_list(type_):
        return _list_codes(array, ranked=ranked)
    if pa.types.is_struct(type_):
        fields = [array.field(i) for i in range(type_.num_fields)]
        return row_codes([array.is_valid().cast(pa.int8()), *fields], len(array), ranked=ranked)
    if pa.types.is_floating(type_):
        bits = pa.Array.from_buffers(pa.int64(), len(array), array.buffers(), array.null_count, array.offset)
        return _encode(bits, ranked=ranked)
    if pa.types.is_boolean(type_):
        return _encode(array.cast(pa.int8()), ranked=ranked)
    return _encode(array, ranked=ranked)


def _list_codes(array: pa.ListArray, *, ranked: bool) -> Codes:
    """Encode each list as the bytes of its elements' codes, big-endian so that they sort as the codes do."""
    if len(array) == 0:
        return np.zeros(0, np.int64)
    offsets = list_offsets(array).astype(np.int64)
    elements = _column_codes(array.values.slice(offsets[0], offsets[-1] - offsets[0]), ranked=ranked)
    data = pa.py_buffer(elements.astype(">u4"))
    ends = pa.py_buffer((offsets - offsets[0]) * 4)
    sequences = _encode(pa.Array.from_buffers(pa.large_binary(), len(array), [None, ends, data]), ranked=ranked)
    return row_codes([array.is_valid().cast(pa.int8()), pa.array(sequences)], len(array), ranked=ranked)
