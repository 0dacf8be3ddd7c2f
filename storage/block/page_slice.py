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
from storage.kernels.pages import LENGTH, OFFSET, UNCOMPRESSED, VALUES, find_pages, next_field, skip_value

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


def schema_fields(footer: npt.NDArray[np.uint8]) -> bytes | None:
    """Return fields 1 and 2 of a footer as they stand: version and schema. None where it begins otherwise."""
    at = 0
    for expected in (1, 2):
        step, kind, value = next_field(footer, at, len(footer))
        if value < 0 or step != 1 or (kind == _LIST) != (expected == 2):
            return None
        at = skip_value(footer, value, len(footer), kind)
        if at < 0:
            return None
    return footer[:at].tobytes()


def slice_pages(
    data: npt.NDArray[np.uint8], layout: RowGroupPages, schema: bytes, wanted: npt.NDArray[np.int64], page_rows: int
) -> pa.Buffer | None:
    """Return a file of the pages `wanted` (ascending) of a row group, or None where its pages are cut otherwise.

    `data` are the bytes of the row group; `schema` is what `schema_fields` returned.
    """
    count = -(-layout.rows // page_rows)
    rows = int(np.minimum(page_rows, layout.rows - wanted * page_rows).sum())
    found = np.empty(4 * (len(wanted) + 1), np.int64)
    parts: list[bytes | memoryview] = [MAGIC]
    chunks: list[bytes] = []
    place = len(MAGIC)
    view = data.data
    for (start, stop), static, is_flat in zip(layout.bounds, layout.static, layout.is_flat, strict=True):
        if find_pages(data, start - layout.start, stop - layout.start, wanted, count, found) < 0:
            return None
        table = found.reshape(-1, 4).tolist()
        if is_flat and sum(page[VALUES] for page in table[1:]) != rows:
            return None
        parts += [view[page[OFFSET] : page[OFFSET] + page[LENGTH]] for page in table]
        chunks.append(_column_chunk(static, place, table))
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
