"""How each column of a block is encoded.

Strings are dictionaries, since a scan wants codes; those that mostly differ stay plain, which is smaller and lets a
trace be read without a dictionary as long as the column. Times, durations, and numbers that rarely repeat are split
into byte streams; other numbers are dictionaries, row numbers are differences. Ids stay plain: polars reads no other
encoding of fixed-size binaries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from storage.arrays import single_chunk
from storage.columns import STRING, TIME, ColumnMeta, TableName

#: Tables in the order in which their files are written.
TABLES: tuple[TableName, ...] = ("spans", "traces", "resources", "scopes", "events", "links")
TRACE_IDS = "trace_ids.npy"
TRACE_ROWS = "trace_rows.npy"
SPAN_COLUMNS = "span_columns.npy"

#: A dictionary has at most so many bytes of text for each row, or is small altogether.
_TEXT_BYTES, _SMALL_DICTIONARY_BYTES = 8, 1 << 20

_ROW_NUMBERS = {("spans", "trace"), ("traces", "first_span"), ("events", "span"), ("links", "span")}


def parquet_name(table: TableName) -> str:
    """Return the name of a table's file."""
    return f"{table}.parquet"


@dataclass(frozen=True, slots=True)
class Encodings:
    """Parquet leaf columns by path: those with a dictionary, and the encoding of others that are not plain."""

    dictionaries: list[str]
    others: dict[str, str]


def choose_encodings(name: TableName, table: pa.Table, columns: Mapping[str, ColumnMeta]) -> Encodings:
    """Choose an encoding for each column of a table; `columns` tells how many values attributes have."""
    dictionaries = []
    others = {}
    for field in table.schema:
        if field.type == STRING and _is_dictionary_long(single_chunk(table.column(field.name))):
            continue
        for path, type_ in leaves(field):
            if (name, field.name) in _ROW_NUMBERS:
                others[path] = "DELTA_BINARY_PACKED"
            elif type_ in {TIME, pa.float64()} or field.name == "duration_ns" or _rarely_repeats(columns, field):
                others[path] = "BYTE_STREAM_SPLIT"
            elif not pa.types.is_fixed_size_binary(type_) and not pa.types.is_boolean(type_):
                dictionaries.append(path)
    return Encodings(dictionaries, others)


def _is_dictionary_long(strings: pa.DictionaryArray) -> bool:
    """Tell whether a dictionary would be so long that reading one row, which takes all of it, costs too much."""
    count, text_bytes = len(strings) - strings.null_count, strings.dictionary.nbytes
    return bool(2 * len(strings.dictionary) > count or text_bytes > max(_SMALL_DICTIONARY_BYTES, _TEXT_BYTES * count))


def _rarely_repeats(columns: Mapping[str, ColumnMeta], field: pa.Field) -> bool:
    column = columns.get(field.name)
    return column is not None and field.type == pa.int64() and column.distinct is None


def leaves(field: pa.Field, prefix: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """Yield the Parquet columns of a field, in file order: path and type."""
    path = prefix + field.name
    if pa.types.is_list(field.type):
        yield from leaves(pa.field("element", field.type.value_type), f"{path}.list.")
    elif pa.types.is_struct(field.type):
        for child in field.type:
            yield from leaves(child, f"{path}.")
    else:
        yield path, field.type


def element_count(type_: pa.DataType) -> int:
    """Return how many elements of a Parquet schema a field of a type takes."""
    if pa.types.is_list(type_):
        return 2 + element_count(type_.value_type)
    if pa.types.is_struct(type_):
        return 1 + sum(element_count(child.type) for child in type_)
    return 1
