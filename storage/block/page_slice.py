"""Some pages of a row group, put together as a small Parquet file that Arrow can read.

A trace takes a few rows of a row group of a hundred thousand. All columns have the same rows in a page, so the pages
that hold these rows, with the dictionary pages, are a row group themselves: their bytes are copied as they are and
get a footer that says where they are now.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.block import thrift
from storage.block.schema import element_count
from storage.kernels.pages import LENGTH, OFFSET, STRUCT, UNCOMPRESSED, VALUES, find_pages, next_field, skip_value

MAGIC = b"PAR1"
#: A file ends with the length of its footer and its magic.
FOOTER_END_BYTES = 8
_TYPES = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_CODECS = {"UNCOMPRESSED": 0, "SNAPPY": 1, "ZSTD": 6}
_ENCODINGS = {
    "PLAIN": 0,
    "PLAIN_DICTIONARY": 2,
    "RLE": 3,
    "BIT_PACKED": 4,
    "DELTA_BINARY_PACKED": 5,
    "DELTA_LENGTH_BYTE_ARRAY": 6,
    "DELTA_BYTE_ARRAY": 7,
    "RLE_DICTIONARY": 8,
    "BYTE_STREAM_SPLIT": 9,
}
_LIST = 9
_LONG = 15


class RowGroupPages:
    """The column chunks of one row group: where they are, and what a footer says of them whatever pages they hold."""

    def __init__(self, footer: pq.FileMetaData, row_group: int) -> None:
        self.rows = footer.row_group(row_group).num_rows
        columns = [footer.row_group(row_group).column(i) for i in range(footer.num_columns)]
        self.bounds = [_bounds(column) for column in columns]
        self.static = [_static_fields(column) for column in columns]
        self.is_flat = [footer.schema.column(i).max_repetition_level == 0 for i in range(footer.num_columns)]
        self.start = min((start for start, _ in self.bounds), default=0)
        self.stop = max((stop for _, stop in self.bounds), default=0)


def _bounds(column: pq.ColumnChunkMetaData) -> tuple[int, int]:
    start = column.data_page_offset
    if column.has_dictionary_page and column.dictionary_page_offset:
        start = min(start, column.dictionary_page_offset)
    return start, start + column.total_compressed_size


def _static_fields(column: pq.ColumnChunkMetaData) -> bytes:
    """Return fields 1 to 4 of a ColumnMetaData."""
    return (
        thrift.i32(1, _TYPES.index(column.physical_type))
        + thrift.i32_list(1, [_ENCODINGS[name] for name in column.encodings])
        + thrift.text_list(1, [column.path_in_schema])
        + thrift.i32(1, _CODECS[column.compression])
    )


class FileSchema:
    """The schema of a file as its footer has it, cut into fields."""

    def __init__(self, footer: npt.NDArray[np.uint8], schema: pa.Schema) -> None:
        """Cut a footer. Raises ValueError where it is not laid out as Arrow does it."""
        self._counts = [element_count(field.type) for field in schema]
        stop = len(footer)
        at = _skip_field(footer, 0)  # the version
        _, kind, at = next_field(footer, at, stop)
        at = _skip_elements(footer, _behind_list_header(footer, at) if kind == _LIST else -1, 1)  # the root
        self._fields: list[bytes] = []
        for count in self._counts:
            behind = _skip_elements(footer, at, count)
            self._fields.append(footer[at:behind].tobytes())
            at = behind

    def encode(self, fields: Sequence[int]) -> bytes:
        """Return fields 1 and 2 of a footer: a version, and a schema of the fields given by number."""
        root = thrift.binary(4, b"schema") + thrift.i32(1, len(fields)) + thrift.STOP
        count = 1 + sum(self._counts[field] for field in fields)
        elements = [root, *(self._fields[field] for field in fields)]
        return thrift.i32(1, 2) + thrift.struct_list(1, elements, count)


def _skip_field(data: npt.NDArray[np.uint8], at: int) -> int:
    _, kind, value = next_field(data, at, len(data))
    return int(skip_value(data, value, len(data), kind))


def _behind_list_header(data: npt.NDArray[np.uint8], at: int) -> int:
    """Return where a list's elements begin: behind its size and type, and the rest of a size of 15 or more."""
    if data[at] >> 4 != _LONG:
        return at + 1
    return at + 2 + int(np.argmax(data[at + 1 : at + 6] < 0x80))


def _skip_elements(data: npt.NDArray[np.uint8], at: int, count: int) -> int:
    for _ in range(count):
        at = int(skip_value(data, at, len(data), STRUCT))
    if at < 0:
        msg = "the footer is not laid out as expected"
        raise ValueError(msg)
    return at


def slice_pages(
    data: npt.NDArray[np.uint8],
    layout: RowGroupPages,
    schema: bytes,
    columns: Sequence[int],
    wanted: npt.NDArray[np.int64],
    page_rows: int,
) -> pa.Buffer | None:
    """Return a file of some pages of some columns of a row group, or None where its pages are cut otherwise.

    `data` are the bytes of the row group, `schema` is what `FileSchema` encoded for the fields of the Parquet
    `columns`, `wanted` are the pages, ascending.
    """
    count = -(-layout.rows // page_rows)
    rows = int(np.minimum(page_rows, layout.rows - wanted * page_rows).sum())
    found = np.empty(4 * (len(wanted) + 1), np.int64)
    parts: list[bytes | memoryview] = [MAGIC]
    chunks: list[bytes] = []
    place = len(MAGIC)
    view = data.data
    for column in columns:
        start, stop = layout.bounds[column]
        if find_pages(data, start - layout.start, stop - layout.start, wanted, count, found) < 0:
            return None
        table = found.reshape(-1, 4).tolist()
        if layout.is_flat[column] and sum(page[VALUES] for page in table[1:]) != rows:
            return None
        parts += [view[page[OFFSET] : page[OFFSET] + page[LENGTH]] for page in table]
        chunks.append(_column_chunk(layout.static[column], place, table))
        place += sum(page[LENGTH] for page in table)
    group = thrift.struct_list(1, chunks) + thrift.i64(1, place) + thrift.i64(1, rows) + thrift.STOP
    footer = schema + thrift.i64(1, rows) + thrift.struct_list(1, [group]) + thrift.binary(2, _WRITER) + thrift.STOP
    return pa.py_buffer(b"".join([*parts, footer, len(footer).to_bytes(4, "little"), MAGIC]))


#: Arrow trusts what its own files say of themselves.
_WRITER = f"parquet-cpp-arrow version {pa.__version__}".encode()


def _column_chunk(static: bytes, place: int, pages: Sequence[Sequence[int]]) -> bytes:
    """Return a ColumnChunk whose pages (the dictionary first, perhaps empty) begin at `place`."""
    dictionary = pages[0][LENGTH]
    fields = (
        static
        + thrift.i64(1, sum(page[VALUES] for page in pages[1:]))
        + thrift.i64(1, sum(page[UNCOMPRESSED] for page in pages))
        + thrift.i64(1, sum(page[LENGTH] for page in pages))
        + thrift.i64(2, place + dictionary)
        + (thrift.i64(2, place) if dictionary else b"")
    )
    return thrift.i64(2, place) + thrift.struct(1, fields) + thrift.STOP
