"""Arrow tables of what a walk found: columns are chosen, filled by kernels, and wrapped without a copy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import (
    ARROW_TYPES,
    MAX_ATTRIBUTE_COLUMNS,
    REST,
    REST_FIELD,
    STRING,
    SpanTables,
    TypeName,
    column_name,
)
from tempo_dask.kernels.otlp_attributes import KEY_DICTIONARIES
from tempo_dask.kernels.otlp_decode import TABLE_KINDS, Walked
from tempo_dask.kernels.otlp_intern import STRING_BYTES
from tempo_dask.kernels.otlp_lists import fill_lists, measure_lists
from tempo_dask.kernels.otlp_rest import fill_rest, measure_rest
from tempo_dask.kernels.otlp_scatter import copy_strings, scatter
from tempo_dask.kernels.otlp_state import TABLES
from tempo_dask.kernels.otlp_values import BOOL, BOOLS, COLUMN_TYPES, FLOAT, INT, INTS, OTHER, STR, STRS

TYPE_NAMES: Final[tuple[TypeName, ...]] = get_args(TypeName)

#: At most this many values and nulls in the attribute columns of one table: many spans with many keys each of its own
#: would take memory out of all proportion to what was sent.
MAX_CELLS: Final = 1 << 25
#: Columns begin at multiples of this many values, or bytes of bits.
_ALIGNMENT: Final = 64


@dataclass(frozen=True, slots=True)
class Columns:
    """The attribute columns chosen, ordered by table; arrays have a place per column."""

    keys: npt.NDArray[np.int64]
    types: npt.NDArray[np.int64]
    tables: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    values: npt.NDArray[np.int64]  # rows that have a value
    column_of: npt.NDArray[np.int32]  # (keys * types): the column, -1 if none


def choose_columns(walked: Walked) -> Columns:
    """Choose a column for each key and type; in a table with too many, for the most frequent."""
    counts = walked.keys[:, 4:]
    keys, types = np.nonzero(counts)
    tables = walked.keys[keys, 1]
    rows = np.array(walked.rows, np.int64)
    chosen = []
    for table in range(TABLES):
        candidates = np.flatnonzero(tables == table)
        most = min(MAX_ATTRIBUTE_COLUMNS, max(1, MAX_CELLS // max(1, walked.rows[table])))
        if candidates.size > most:
            values = counts[keys[candidates], types[candidates]]
            candidates = np.sort(candidates[np.argsort(-values, kind="stable")[:most]])
        chosen.append(candidates)
    kept = np.concatenate(chosen)
    keys, types, tables = keys[kept], types[kept], tables[kept]
    column_of = np.full(len(walked.keys) * int(COLUMN_TYPES), -1, np.int32)
    column_of[keys * COLUMN_TYPES + types] = np.arange(kept.size)
    return Columns(keys, types, tables, rows[tables], counts[keys, types], column_of)


def _places(sizes: npt.NDArray[np.int64], wanted: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], int]:
    """Lay columns of so many values end to end, those wanted; return where each begins, and how much they take."""
    padded = np.where(wanted, -(-sizes // _ALIGNMENT) * _ALIGNMENT, 0)
    ends = np.cumsum(padded)
    return ends - padded, int(ends[-1]) if ends.size else 0


@dataclass(frozen=True, slots=True)
class Strings:
    """Dictionaries: of dictionary d `counts[d]` strings, offsets from `first[d]`, bytes from `at[d]` on."""

    counts: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    offsets: pa.Buffer
    data: pa.Buffer

    def array(self, dictionary: int) -> pa.StringArray:
        """Return the strings of a dictionary."""
        count = int(self.counts[dictionary])
        offsets = self.offsets.slice(4 * int(self.first[dictionary]), 4 * (count + 1))
        data = self.data.slice(int(self.at[dictionary]), int(self.lengths[dictionary]))
        return pa.StringArray.from_buffers(count, offsets, data)


def _gather_strings(walked: Walked, columns: Columns) -> Strings:
    """Write the dictionaries of own columns and of the columns chosen."""
    wanted = np.zeros(len(walked.dictionaries), np.bool_)
    wanted[:KEY_DICTIONARIES] = True
    wanted[KEY_DICTIONARIES + columns.keys[columns.types == STR]] = True
    counts = np.where(wanted, walked.dictionaries[:, 1], 0)
    lengths = np.where(wanted, walked.dictionaries[:, 2], 0)
    first = np.where(wanted, np.cumsum(counts + wanted) - counts - wanted, -1)
    at = np.cumsum(lengths) - lengths
    offsets = np.zeros(int((counts + wanted).sum()), np.int32)
    data = np.empty(int(lengths.sum()), np.uint8)
    copy_strings(walked.strings, len(walked.strings), first, at.copy(), offsets, data)
    return Strings(counts, first, at, lengths, pa.py_buffer(offsets), pa.py_buffer(data))


@lru_cache(maxsize=8192)
def _field(table: int, key: bytes, value_type: int) -> pa.Field:
    type_name = TYPE_NAMES[value_type]
    return pa.field(column_name(TABLE_KINDS[table].scope, key.decode(), type_name), ARROW_TYPES[type_name])


@dataclass(frozen=True, slots=True)
class Cells:
    """The buffers of attribute columns, and where the values and the validity of each column begin."""

    data_at: npt.NDArray[np.int64]
    valid_at: npt.NDArray[np.int64]
    words: pa.Buffer
    codes: pa.Buffer
    bits: pa.Buffer

    def valid(self, columns: Columns, column: int) -> pa.Buffer | None:
        """Return the validity of a column, None where all its values are."""
        if columns.values[column] == columns.rows[column]:
            return None
        return self.bits.slice(int(self.valid_at[column]), (int(columns.rows[column]) + 7) // 8)


def _fill_cells(walked: Walked, columns: Columns) -> tuple[Cells, npt.NDArray[np.int64]]:
    """Write plain values; return them, and the numbers of the attributes that are not."""
    are_bits = columns.types == BOOL
    are_codes = columns.types == STR
    are_words = (columns.types == INT) | (columns.types == FLOAT)
    bit_bytes = (columns.rows + 7) // 8
    valid_at, valid_size = _places(bit_bytes, np.ones_like(are_bits))
    bits_at, bits_size = _places(bit_bytes, are_bits)
    codes_at, codes_size = _places(columns.rows, are_codes)
    words_at, words_size = _places(columns.rows, are_words)
    data_at = np.select([are_bits, are_codes], [valid_size + bits_at, codes_at], words_at)
    words = np.zeros(words_size, np.int64)
    codes = np.zeros(codes_size, np.int32)
    bits = np.zeros(valid_size + bits_size, np.uint8)
    plain = int(columns.values[columns.types <= BOOL].sum())
    queue = np.empty(len(walked.attributes) - plain, np.int64)
    others = scatter(
        walked.attributes,
        len(walked.attributes),
        columns.column_of,
        data_at,
        valid_at,
        words,
        codes,
        bits,
        queue,
    )
    if others != queue.size:
        msg = f"{others} attributes stand in no plain column, not {queue.size}"
        raise AssertionError(msg)
    return Cells(data_at, valid_at, pa.py_buffer(words), pa.py_buffer(codes), pa.py_buffer(bits)), queue


def _plain_array(columns: Columns, cells: Cells, strings: Strings, column: int) -> pa.Array:
    """Return one column of plain values."""
    rows = int(columns.rows[column])
    value_type = int(columns.types[column])
    nulls = rows - int(columns.values[column])
    at = int(cells.data_at[column])
    valid = cells.valid(columns, column)
    if value_type == STR:
        dictionary = strings.array(int(KEY_DICTIONARIES + columns.keys[column]))
        codes = cells.codes.slice(4 * at, 4 * rows)
        return pa.DictionaryArray.from_buffers(STRING, rows, [valid, codes], dictionary, nulls)
    if value_type == BOOL:
        return pa.Array.from_buffers(pa.bool_(), rows, [valid, cells.bits.slice(at, (rows + 7) // 8)], nulls)
    dtype = pa.int64() if value_type == INT else pa.float64()
    return pa.Array.from_buffers(dtype, rows, [valid, cells.words.slice(8 * at, 8 * rows)], nulls)


def _list_arrays(walked: Walked, columns: Columns, cells: Cells, queue: npt.NDArray[np.int64]) -> dict[int, pa.Array]:
    """Return the columns of lists."""
    are_lists = columns.types >= STRS
    if not are_lists.any():
        return {}
    items = np.zeros(columns.keys.size, np.int64)
    lengths = np.zeros(columns.keys.size, np.int64)
    measure_lists(walked.attributes, queue, columns.column_of, items, lengths)
    list_at, lists_size = _places(columns.rows + 1, are_lists)
    item_at, items_size = _places(items + 1, are_lists)
    byte_at, bytes_size = _places(lengths, are_lists)
    offsets = np.zeros(lists_size, np.int32)
    words = np.zeros(items_size, np.int64)
    ends = np.zeros(items_size, np.int32)
    flags = np.zeros(items_size, np.uint8)
    data = np.zeros(bytes_size, np.uint8)
    fill_lists(
        walked.attributes, queue, columns.column_of, list_at, item_at, byte_at, offsets, words, ends, data, flags
    )
    arrays = {}
    for column in np.flatnonzero(are_lists):
        rows, first, count = int(columns.rows[column]), int(item_at[column]), int(items[column])
        cut = offsets[list_at[column] : list_at[column] + rows + 1]
        valid = np.packbits(cut[1:] > 0, bitorder="little")
        np.cumsum(cut, out=cut)
        value_type = int(columns.types[column])
        values: pa.Array
        if value_type == STRS:
            string_offsets = np.zeros(count + 1, np.int32)
            string_offsets[1:] = ends[first : first + count]
            text = data[byte_at[column] : byte_at[column] + lengths[column]]
            values = pa.StringArray.from_buffers(count, pa.py_buffer(string_offsets), pa.py_buffer(text))
        elif value_type == BOOLS:
            packed = np.packbits(flags[first : first + count], bitorder="little")
            values = pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(packed)], 0)
        else:
            dtype = pa.int64() if value_type == INTS else pa.float64()
            values = pa.Array.from_buffers(dtype, count, [None, pa.py_buffer(words[first : first + count])], 0)
        nulls = rows - int(columns.values[column])
        arrays[int(column)] = pa.Array.from_buffers(
            ARROW_TYPES[TYPE_NAMES[value_type]],
            rows,
            [pa.py_buffer(valid) if nulls else None, pa.py_buffer(cut)],
            nulls,
            children=[values],
        )
    return arrays


def _rest_array(
    walked: Walked, columns: Columns, queue: npt.NDArray[np.int64], table: int, totals: npt.NDArray[np.int64]
) -> pa.Array:
    """Return the column `rest` of a table; rows that have nothing in it are null."""
    rows = walked.rows[table]
    entries, key_bytes, string_bytes, other_bytes = (int(n) for n in totals[table])
    if entries == 0:
        return pa.nulls(rows, REST)
    offsets = np.zeros(rows + 1, np.int32)
    kinds = np.empty(entries, np.uint8)
    words = np.zeros(entries, np.int64)
    ends = np.zeros((3, entries + 1), np.int32)
    data = [np.empty(size, np.uint8) for size in (key_bytes, string_bytes, other_bytes)]
    fill_rest(walked.attributes, queue, columns.column_of, walked.keys, table, offsets, kinds, words, ends, *data)
    valid = np.packbits(offsets[1:] > 0, bitorder="little")
    nulls = rows - int(np.count_nonzero(offsets[1:]))
    np.cumsum(offsets, out=offsets)

    def child(dtype: pa.DataType, kind: int, *buffers: npt.NDArray[np.generic]) -> pa.Array:
        are_set = kinds == kind
        count = int(np.count_nonzero(are_set))
        bits = pa.py_buffer(np.packbits(are_set, bitorder="little"))
        return pa.Array.from_buffers(dtype, entries, [bits, *map(pa.py_buffer, buffers)], entries - count)

    children = [
        pa.StringArray.from_buffers(entries, pa.py_buffer(ends[0]), pa.py_buffer(data[0])),
        child(pa.string(), STR, ends[1], data[1]),
        child(pa.int64(), INT, words),
        child(pa.float64(), FLOAT, words),
        child(pa.bool_(), BOOL, np.packbits(words & 1, bitorder="little")),
        child(pa.binary(), OTHER, ends[2], data[2]),
    ]
    structs = pa.Array.from_buffers(REST.value_type, entries, [None], 0, children=children)
    buffers = [pa.py_buffer(valid), pa.py_buffer(offsets)]
    return pa.Array.from_buffers(REST, rows, buffers, nulls, children=[structs])


def _own_array(
    field: pa.Field, column: npt.NDArray[np.uint8], rows: int, dictionary: pa.StringArray | None
) -> pa.Array:
    """Return an own column; an id of zeros is absent where the field allows it."""
    buffer = pa.py_buffer(column)
    if dictionary is not None:
        return pa.DictionaryArray.from_buffers(STRING, rows, [None, buffer], dictionary, 0)
    if not field.nullable:
        return pa.Array.from_buffers(field.type, rows, [None, buffer], 0)
    are_there = column[: rows * field.type.byte_width].reshape(rows, field.type.byte_width).any(axis=1)
    nulls = rows - int(np.count_nonzero(are_there))
    valid = pa.py_buffer(np.packbits(are_there, bitorder="little")) if nulls else None
    return pa.Array.from_buffers(field.type, rows, [valid, buffer], nulls)


def _own_arrays(walked: Walked, strings: Strings) -> list[list[pa.Array]]:
    own = iter(walked.own)
    dictionaries = iter(range(int(KEY_DICTIONARIES)))
    return [
        [
            _own_array(
                field,
                next(own),
                rows,
                strings.array(next(dictionaries)) if pa.types.is_dictionary(field.type) else None,
            )
            for field in kind.fields
        ]
        for kind, rows in zip(TABLE_KINDS, walked.rows, strict=True)
    ]


def tables(walked: Walked) -> SpanTables:
    """Return what a walk found as tables."""
    columns = choose_columns(walked)
    strings = _gather_strings(walked, columns)
    cells, queue = _fill_cells(walked, columns)
    arrays = _list_arrays(walked, columns, cells, queue)
    totals = np.zeros((int(TABLES), 4), np.int64)
    measure_rest(walked.attributes, queue, columns.column_of, walked.keys, totals)
    own = _own_arrays(walked, strings)
    fields = [list(kind.fields) for kind in TABLE_KINDS]
    base = walked.group.data.ctypes.data
    for column, (key, table, value_type) in enumerate(
        zip(columns.keys.tolist(), columns.tables.tolist(), columns.types.tolist(), strict=True)
    ):
        at, size = walked.strings[(walked.keys[key, 0] - walked.strings.ctypes.data) // STRING_BYTES, :2]
        name = walked.group.data[at - base : at - base + size].tobytes()
        fields[table].append(_field(table, name, value_type))
        array = arrays.get(column)
        own[table].append(_plain_array(columns, cells, strings, column) if array is None else array)
    for table in range(TABLES):
        fields[table].append(REST_FIELD)
        own[table].append(_rest_array(walked, columns, queue, table, totals))
    return SpanTables(*(pa.Table.from_arrays(a, schema=pa.schema(f)) for a, f in zip(own, fields, strict=True)))
