"""Rows of a table in a new order, its dictionaries reduced to what these rows use.

Dictionaries list their values in order of first use, so equal rows in equal order make equal tables, whatever
they were taken from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import NO_BITS, from_values, single_chunk, string_parts, validity, values
from storage.columns import REST_FIELD, is_attribute_column
from storage.errors import BadColumns
from storage.kernels.gather import gather_bits, gather_codes, gather_strings

Rows = npt.NDArray[np.int32]


def take_rows(table: pa.Table, rows: Rows, fields: Sequence[pa.Field]) -> dict[pa.Field, pa.Array]:
    """Return the columns `fields`, then the attribute columns by name, then `rest`, of the given rows.

    Attribute columns without a value in these rows are left out. Raises BadColumns where a column has another
    type than its field, or nulls that the field does not allow.
    """
    columns = dict(zip(table.column_names, map(single_chunk, table.columns), strict=True))
    taken = {field: _take_field(columns[field.name], field, rows) for field in fields}
    for name in sorted(filter(is_attribute_column, columns)):
        array = take_array(columns[name], rows)
        if array.null_count < len(array):
            taken[pa.field(name, array.type)] = array
    if REST_FIELD.name in columns:
        rest = take_array(columns[REST_FIELD.name], rows)
        if rest.null_count < len(rest):
            taken[REST_FIELD] = rest
    return taken


def as_table(columns: Mapping[pa.Field, pa.Array]) -> pa.Table:
    """Return columns as a table."""
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(list(columns)))


def _take_field(column: pa.Array, field: pa.Field, rows: Rows) -> pa.Array:
    if column.type != field.type:
        msg = f"column {field.name} is of type {column.type}, expected {field.type}"
        raise BadColumns(msg)
    array = take_array(column, rows)
    if array.null_count and not field.nullable:
        msg = f"column {field.name} must not hold nulls"
        raise BadColumns(msg)
    return array


def take_array(array: pa.Array, rows: Rows) -> pa.Array:
    """Return the given rows, which must exist, of an array; of a dictionary only the values that they use."""
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return _take_strings(array, rows)
    if pa.types.is_nested(type_) or pa.types.is_string(type_):
        return array.take(pa.array(rows))
    bits = validity(array)
    bitmap, valid = (NO_BITS, len(rows)) if bits is None else gather_bits(bits, array.offset, rows)
    if pa.types.is_boolean(type_):
        data = gather_bits(np.frombuffer(array.buffers()[1] or b"", np.uint8), array.offset, rows)[0]
    else:
        data = values(array, _WORDS[type_.bit_width // 8]).take(rows)
    return from_values(len(rows), data, type_, bitmap, len(rows) - valid)


#: Types that NumPy moves fast, by width in bytes.
_WORDS = {4: np.int32, 8: np.int64, 16: np.complex128}


def _take_strings(array: pa.DictionaryArray, rows: Rows) -> pa.DictionaryArray:
    dictionary = array.dictionary
    starts, text = string_parts(dictionary)
    bits = validity(array)
    codes = np.empty(len(rows), np.int32)
    bitmap = np.zeros((len(rows) + 7) // 8, np.uint8)
    used = np.empty(min(len(dictionary), len(rows)), np.int32)
    of_array = values(array, np.int32)
    count, valid, length = gather_codes(
        of_array, NO_BITS if bits is None else bits, array.offset, rows, starts, codes, bitmap, used
    )
    if count < 0:
        msg = f"a code points outside its dictionary of {len(dictionary)} values"
        raise BadColumns(msg)
    out_starts = np.empty(count + 1, np.int32)
    out_text = np.empty(length, np.uint8)
    if not gather_strings(starts, text, used[:count], out_starts, out_text):
        msg = "a dictionary's strings lie outside its text"
        raise BadColumns(msg)
    strings = pa.StringArray.from_buffers(count, pa.py_buffer(out_starts), pa.py_buffer(out_text))
    indices = from_values(len(rows), codes, pa.int32(), bitmap, len(rows) - valid)
    return pa.DictionaryArray.from_arrays(indices, strings, safe=False)
