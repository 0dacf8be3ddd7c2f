"""Arrow tables of what a walk found: columns are chosen, filled by kernels, and wrapped without a copy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, get_args

import numpy as np
import pyarrow as pa

from storage.columns import ARROW_TYPES, REST_FIELD, STRING, SpanTables, TypeName, column_name
from tempo_dask.kernels.otlp_attributes import KEY_DICTIONARIES
from tempo_dask.kernels.otlp_choose import Columns, choose_columns
from tempo_dask.kernels.otlp_decode import TABLE_KINDS, Walked
from tempo_dask.kernels.otlp_lists import list_arrays
from tempo_dask.kernels.otlp_plain import plain_arrays
from tempo_dask.kernels.otlp_rest import rest_arrays
from tempo_dask.kernels.otlp_strings import Dictionaries, dictionaries

TYPE_NAMES: Final[tuple[TypeName, ...]] = get_args(TypeName)


def tables(walked: Walked) -> SpanTables:
    """Return what a walk found as tables."""
    columns = choose_columns(walked)
    texts = dictionaries(walked, columns)
    own = _own_arrays(walked, texts)
    plain, queue = plain_arrays(walked, columns, texts)
    lists = list_arrays(walked, columns, queue)
    rest = rest_arrays(walked, columns, queue)
    arrays: list[list[pa.Array]] = [[next(own) for _ in kind.fields] for kind in TABLE_KINDS]
    fields: list[list[pa.Field]] = [list(kind.fields) for kind in TABLE_KINDS]
    for column, (table, field) in enumerate(_attribute_fields(walked, columns)):
        arrays[table].append(plain[column] if column in plain else lists[column])
        fields[table].append(field)
    return SpanTables(
        *(
            pa.Table.from_arrays([*a, r], schema=pa.schema([*f, REST_FIELD]))
            for a, r, f in zip(arrays, rest, fields, strict=True)
        )
    )


def _own_arrays(walked: Walked, texts: Dictionaries) -> Iterator[pa.Array]:
    """Yield the own columns of all tables."""
    numbers = iter(range(int(KEY_DICTIONARIES)))
    own = iter(walked.own)
    for kind, rows in zip(TABLE_KINDS, walked.rows, strict=True):
        for field in kind.fields:
            if field.type == STRING:
                texts_of = texts.array(next(numbers))
                yield pa.DictionaryArray.from_buffers(STRING, rows, [None, next(own)], texts_of, 0)
            elif field.nullable:
                yield _id_array(field.type, rows, next(own))
            else:
                yield pa.Array.from_buffers(field.type, rows, [None, next(own)], 0)


def _id_array(dtype: pa.DataType, rows: int, column: pa.Buffer) -> pa.Array:
    """Return ids, null where all bytes are zero: such an id counts as absent."""
    words = dtype.byte_width // 8
    are_set = np.frombuffer(column, np.int64, rows * words).reshape(rows, words).any(axis=1)
    nulls = rows - int(np.count_nonzero(are_set))
    valid = pa.py_buffer(np.packbits(are_set, bitorder="little")) if nulls else None
    return pa.Array.from_buffers(dtype, rows, [valid, column], nulls)


def _attribute_fields(walked: Walked, columns: Columns) -> Iterator[tuple[int, pa.Field]]:
    """Yield the table and the field of each column chosen."""
    at, sizes = walked.key_slices(columns.keys)
    chosen = (columns.tables, columns.types, at, sizes)
    for table, value_type, first, size in zip(*(numbers.tolist() for numbers in chosen), strict=True):
        yield table, _field(table, value_type, walked.group.data[first : first + size].tobytes())


@lru_cache(maxsize=8192)
def _field(table: int, value_type: int, key: bytes) -> pa.Field:
    type_name = TYPE_NAMES[value_type]
    return pa.field(column_name(TABLE_KINDS[table].scope, key.decode(), type_name), ARROW_TYPES[type_name])
