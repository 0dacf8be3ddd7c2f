"""Rows of a table in a new order, its dictionaries reduced to what these rows use.

Dictionaries list their values in order of first use, so equal rows in equal order make equal tables, whatever
they were taken from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import NO_BITS, from_values, single_chunk, validity, values
from storage.columns import REST_FIELD, is_attribute_column
from storage.errors import BadColumns
from storage.kernels.gather import compact_codes, gather_bits

Rows = npt.NDArray[np.int32]


def take_rows(table: pa.Table, rows: Rows, fields: Sequence[pa.Field]) -> pa.Table:
    """Return the columns `fields`, then the attribute columns by name, then `rest`, of the given rows.

    Attribute columns without a value in these rows are left out. Raises BadColumns where a column has another
    type than its field, or nulls that the field does not allow.
    """
    arrays = [_take_field(table, field, rows) for field in fields]
    schema = list(fields)
    for name in sorted(filter(is_attribute_column, table.column_names)):
        array = take_array(single_chunk(table.column(name)), rows)
        if array.null_count < len(array):
            arrays.append(array)
            schema.append(pa.field(name, array.type))
    if REST_FIELD.name in table.column_names:
        rest = take_array(single_chunk(table.column(REST_FIELD.name)), rows)
        if rest.null_count < len(rest):
            arrays.append(rest)
            schema.append(REST_FIELD)
    return pa.Table.from_arrays(arrays, schema=pa.schema(schema))


def _take_field(table: pa.Table, field: pa.Field, rows: Rows) -> pa.Array:
    column = single_chunk(table.column(field.name))
    if column.type != field.type:
        msg = f"column {field.name} is of type {column.type}, expected {field.type}"
        raise BadColumns(msg)
    array = take_array(column, rows)
    if array.null_count and not field.nullable:
        msg = f"column {field.name} must not hold nulls"
        raise BadColumns(msg)
    return array


def take_array(array: pa.Array, rows: Rows) -> pa.Array:
    """Return the given rows, which must exist, of an array."""
    type_ = array.type
    if pa.types.is_nested(type_) or pa.types.is_string(type_):
        return array.take(pa.array(rows))
    bits = validity(array)
    bitmap, valid = (NO_BITS, len(rows)) if bits is None else gather_bits(bits, array.offset, rows)
    null_count = len(rows) - valid
    if pa.types.is_dictionary(type_):
        codes = values(array, np.int32)[rows]
        return _compact(codes, array.dictionary, bitmap, null_count)
    if pa.types.is_boolean(type_):
        buffer = array.buffers()[1]
        data = gather_bits(np.frombuffer(buffer, np.uint8), array.offset, rows)[0]
        return from_values(len(rows), data, type_, bitmap, null_count)
    data = values(array, _WORDS[type_.bit_width // 8])[rows]
    return from_values(len(rows), data, type_, bitmap, null_count)


#: Types that NumPy moves fast, by width in bytes.
_WORDS = {4: np.int32, 8: np.int64, 16: np.complex128}


def _compact(
    codes: npt.NDArray[np.int32], dictionary: pa.StringArray, bitmap: npt.NDArray[np.uint8], null_count: int
) -> pa.DictionaryArray:
    """Return a dictionary array of these codes whose dictionary holds the used values in order of first use."""
    used, in_range = compact_codes(codes, bitmap, null_count == 0, len(dictionary))
    if not in_range:
        msg = f"a code points outside its dictionary of {len(dictionary)} values"
        raise BadColumns(msg)
    indices = from_values(len(codes), codes, pa.int32(), bitmap, null_count)
    return pa.DictionaryArray.from_arrays(indices, dictionary.take(pa.array(used)), safe=False)
