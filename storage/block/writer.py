"""Sorted spans to the files of a block."""

from __future__ import annotations

import io
import mmap
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import google_crc32c
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.arrays import single_chunk
from storage.block.meta import DESCRIPTION, BlockMeta, FileMeta
from storage.block.presence import Presence, find_presence
from storage.block.row_groups import join_row_groups
from storage.block.schema import SPAN_COLUMNS, TABLES, TRACE_IDS, TRACE_ROWS, Encodings, choose_encodings, parquet_name
from storage.columns import SourceMeta, SpanTables, TableName, UnitMeta
from storage.describe import describe_source
from storage.take import take_array
from storage.trace_index import TraceIndex

#: Spans in a row group, and in a unit, which is a run of them; FORMAT.md says what larger and smaller ones cost.
ROW_GROUP_SPANS, UNIT_SPANS = 131_072, 524_288
#: Rows in a page, the same in all columns, so that a run of rows is a run of pages.
PAGE_ROWS = 16_384
#: A dictionary beyond this size is given up for plain values.
_DICTIONARY_BYTES = 64 << 20
_CHECKSUM_BYTES = 8 << 20
#: Pages end after a number of rows, whatever their size.
_NO_LIMIT = 1 << 40


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose spans a block holds, and which records of whose write-ahead log they were (an empty node: none).

    `arrived_ns` are the arrivals of the first and the last record.
    """

    id: str
    tenant: str
    node: str = ""
    first_seq: int = 0
    last_seq: int = 0
    arrived_ns: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """All files of a block by name, `block.json` among them, and what the latter says."""

    files: Mapping[str, bytes | pa.Buffer]
    meta: BlockMeta


def write_block(
    tables: SpanTables,
    origin: Origin,
    *,
    unit_spans: int = UNIT_SPANS,
    row_group_spans: int = ROW_GROUP_SPANS,
    page_rows: int = PAGE_ROWS,
) -> EncodedBlock:
    """Encode sorted tables as a block.

    Row groups end with a trace, after at most `row_group_spans` spans (nor are they longer than a unit) or one longer
    trace; pages end after `page_rows` rows.
    """
    row_group_spans = min(row_group_spans, unit_spans)
    source = describe_source(tables, id=origin.id, tenant=origin.tenant, unit_spans=row_group_spans)
    writers: dict[TableName, TableWriter] = {}
    for name in TABLES:
        table = tables.table(name)
        writers[name] = TableWriter(table.schema, choose_encodings(name, table, source.columns), page_rows)
        for start, stop in pairwise(_row_bounds(name, table, source.units)):
            writers[name].add(_rows(table, start, stop))
    trace_ids = single_chunk(tables.table("traces").column("trace_id"))
    return seal_block(writers, trace_ids, find_presence(tables.spans), source, origin, unit_spans, page_rows)


def seal_block(
    writers: Mapping[TableName, TableWriter],
    trace_ids: pa.FixedSizeBinaryArray,
    presence: Presence,
    source: SourceMeta,
    origin: Origin,
    unit_spans: int,
    page_rows: int,
) -> EncodedBlock:
    """Return the block whose tables are written, with its arrays and its description; ends their files.

    The units of `source` are the row groups.
    """
    index = TraceIndex.of(trace_ids)
    arrays = {TRACE_IDS: _npy(index.ids), TRACE_ROWS: _npy(index.rows), SPAN_COLUMNS: _npy(presence)}
    files: dict[str, bytes | pa.Buffer] = {parquet_name(name): writer.finish() for name, writer in writers.items()}
    files |= arrays
    meta = BlockMeta(
        source=replace(source, units=join_row_groups(source.units, unit_spans)),
        row_groups=source.units,
        unit_spans=unit_spans,
        node=origin.node,
        first_seq=origin.first_seq,
        last_seq=origin.last_seq,
        arrived_ns=origin.arrived_ns,
        rows={name: writers[name].row_count for name in TABLES},
        page_rows=page_rows,
        files={name: FileMeta(len(data), _checksum(data)) for name, data in files.items()},
    )
    return EncodedBlock({**files, DESCRIPTION: meta.encode()}, meta)


def _checksum(data: bytes | pa.Buffer) -> int:
    checksum = 0
    for start in range(0, len(data), _CHECKSUM_BYTES):
        checksum = google_crc32c.extend(checksum, bytes(data[start : start + _CHECKSUM_BYTES]))
    return checksum


def _row_bounds(name: TableName, table: pa.Table, units: Sequence[UnitMeta]) -> Sequence[int]:
    """Return where each unit's rows begin in a table, and where the last one's end."""
    if name in {"resources", "scopes"}:
        return [0, table.num_rows]
    if name == "traces":
        return [0, *(unit.stop_trace for unit in units)]
    spans = np.array([0, *(unit.stop_span for unit in units)])
    rows = spans if name == "spans" else np.searchsorted(table.column("span").to_numpy(), spans)
    return [int(row) for row in rows]


class TableWriter:
    """A Parquet file in the making, a row group after another: in memory, or `spooled` to a file without a name."""

    def __init__(self, schema: pa.Schema, encodings: Encodings, page_rows: int, *, spooled: bool = False) -> None:
        self.row_count = 0
        self._file = tempfile.TemporaryFile() if spooled else None  # noqa: SIM115  # lives as long as its content
        self._sink = pa.BufferOutputStream() if self._file is None else pa.PythonFile(self._file, "w")
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=encodings.dictionaries,
            column_encoding=encodings.others,
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
            max_rows_per_page=page_rows,
            data_page_size=_NO_LIMIT,
            write_statistics=[f.name for f in schema if not pa.types.is_dictionary(f.type)],
            write_page_checksum=True,
            write_page_index=True,
            store_schema=False,
        )

    def add(self, rows: pa.Table) -> None:
        """Write rows as one row group, their dictionaries no larger than they need."""
        self._writer.write_table(rows, row_group_size=max(1, rows.num_rows))
        self.row_count += rows.num_rows

    def finish(self) -> pa.Buffer:
        """End the file and return it, mapped into memory where it was spooled."""
        self._writer.close()
        if self._file is None:
            return self._sink.getvalue()
        self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._file.close()
        return pa.py_buffer(mapped)


def _rows(table: pa.Table, start: int, stop: int) -> pa.Table:
    """Return a run of rows with dictionaries of what it uses: a row group holds its dictionaries whole."""
    if stop - start == table.num_rows:
        return table
    rows = np.arange(start, stop, dtype=np.int32)
    arrays = [
        take_array(single_chunk(column), rows) if pa.types.is_dictionary(column.type) else column[start:stop]
        for column in table.columns
    ]
    return pa.Table.from_arrays(arrays, schema=table.schema)


def _npy(array: npt.NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
