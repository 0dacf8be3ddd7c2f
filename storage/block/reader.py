"""A block as a scan source: columns decoded when asked for, traces found by id."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import column_of, owners_within, single_chunk
from storage.block.array_file import read_array
from storage.block.files import BlockFiles
from storage.block.listed import Listed, ListedMeta, described
from storage.block.meta import BlockMeta
from storage.block.row_groups import numbers_by_unit
from storage.block.schema import SPAN_COLUMNS, TRACE_IDS, TRACE_ROWS, parquet_name
from storage.block.table_file import TableFile
from storage.block.whole_traces import take_whole
from storage.columns import REST_FIELD, REST_KEYS, Column, ScanSource, SourceMeta, SpanTables, TableName, TypeName
from storage.merge import merge
from storage.remembered import Remembered
from storage.rest_values import rest_keys, rest_values
from storage.trace_index import TraceIndex
from storage.traces import SERVICE_COLUMNS, services_column


class Block(ScanSource):
    """A block of an object store. Nothing is read before it is asked for; footers and the index are kept then.

    Methods that read raise DamagedBlock where a file is not as it must be, and what the store raises.
    """

    def __init__(self, source: SourceMeta, files: BlockFiles, describe: Callable[[], BlockMeta]) -> None:
        self._source = source
        self._describe = describe
        self._files = files
        self._tables: dict[TableName, TableFile] = {}
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._opening = threading.Lock()
        self._number = next(_NUMBERS)

    @classmethod
    def open(cls, meta: BlockMeta, read: BlockFiles) -> Block:
        """Return the block that `meta` describes, its files read through `read`."""
        return cls(meta.source, read, lambda: meta)

    @classmethod
    def listed(cls, listed: Listed, read: BlockFiles) -> Block:
        """Return a block that the commit log lists; its description is read when something asks for it."""
        describe = partial(described, listed.tenant, listed.record["id"], read)
        return cls(ListedMeta(listed, describe), read, describe)

    @property
    def block_meta(self) -> BlockMeta:
        """Return the description."""
        return self._describe()

    def __reduce__(self) -> tuple[object, tuple[BlockMeta, BlockFiles]]:
        """Travel to another process as where the block lies."""
        return _arrived, (self.block_meta, self._files)

    @property
    def meta(self) -> SourceMeta:
        """Return what is known without reading; of a listed block some is read when it is asked for."""
        return self._source

    def read(self, table: TableName, name: str, unit: int) -> Column | None:
        """Return a column of one unit, or None where the block has no such column."""
        if name == REST_KEYS:
            rest = self._rest(table, unit)
            return None if rest is None else column_of(rest_keys(rest))
        array = self._column(table, name, unit)
        if array is None:
            return None
        if name == "span" and table in {"events", "links"}:
            return owners_within(array, self.meta.units[unit].first_span)
        return column_of(array)

    def read_rest(self, table: TableName, key: str, unit: int) -> Mapping[TypeName, Column]:
        """Return the values of a key that `rest` holds, by type."""
        rest = self._rest(table, unit)
        return {} if rest is None else rest_values(rest, key)

    def find(self, trace_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Return for each id (n, 16) its row in traces, or -1."""
        return self._index.find(trace_ids)

    def sorted_trace_ids(self) -> npt.NDArray[np.uint8]:
        """Return all trace ids (traces, 16), ascending bytewise; a memory map where the file is local."""
        return self._index.ids

    def take_traces(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> SpanTables:
        """Return every column of the given traces, sorted, reading only the row groups that hold them."""
        meta = self.block_meta
        stops = [row_group.stop_trace for row_group in meta.row_groups]
        wanted = np.sort(np.asarray(rows, np.int64))
        numbers, firsts = np.unique(np.searchsorted(stops, wanted, side="right"), return_index=True)
        presence = self._array(SPAN_COLUMNS)
        parts = [
            take_whole(self._table, presence, meta.stripe_rows, meta.row_groups[number], int(number), of_row_group)
            for number, of_row_group in zip(numbers, np.split(wanted, firsts)[1:], strict=True)
        ]
        return parts[0] if len(parts) == 1 else merge(parts)

    def _rest(self, table: TableName, unit: int) -> pa.ListArray | None:
        """Return the column `rest` of one unit, from which one key after another is taken."""
        return _RESTS.get_or_make((self._number, table, unit), lambda: self._column(table, REST_FIELD.name, unit))

    def _column(self, table: TableName, name: str, unit: int) -> pa.Array | None:
        """Return one column of one unit, or None where the block has no such column."""
        file = self._table(table)
        row_groups = range(1) if table in {"resources", "scopes"} else self._row_groups[unit]
        field = SERVICE_COLUMNS.get(name) if table == "traces" else None
        if field is not None:
            return services_column(single_chunk(file.read_column("services", row_groups)), field)
        return single_chunk(file.read_column(name, row_groups)) if name in file else None

    def _table(self, table: TableName) -> TableFile:
        """Return a file, opened once."""
        file = self._tables.get(table)
        if file is None:
            size = self.block_meta.files[parquet_name(table)].size
            with self._opening:
                file = self._tables.get(table)
                if file is None:
                    file = self._tables[table] = TableFile(self._files, table, size, self.block_meta.page_rows)
        return file

    def _array(self, name: str) -> npt.NDArray[Any]:
        """Return the array of a file, opened once."""
        array = self._arrays.get(name)
        if array is None:
            with self._opening:
                array = self._arrays.get(name)
                if array is None:
                    array = self._arrays[name] = read_array(self._files, name, self.block_meta.files[name])
        return array

    @cached_property
    def _row_groups(self) -> Sequence[range]:
        """Which row groups each unit is made of."""
        return numbers_by_unit(self.block_meta.row_groups, self.block_meta.unit_spans)

    @property
    def _index(self) -> TraceIndex:
        return TraceIndex(self._array(TRACE_IDS), self._array(TRACE_ROWS))


#: Numbers of opened blocks.
_NUMBERS = itertools.count()

#: What `rest` holds in the units that were read last, by number of the block, table and unit: an array or None.
_RESTS: Remembered[tuple[int, TableName, int], Any] = Remembered(64 << 20, lambda rest: getattr(rest, "nbytes", 64))

#: Blocks that came from other processes, by tenant and id, so that their footers are read once.
_ARRIVED: Remembered[tuple[str, str], Block] = Remembered(1_000)


def _arrived(meta: BlockMeta, files: BlockFiles) -> Block:
    return _ARRIVED.get_or_make((meta.source.tenant, meta.source.id), lambda: Block.open(meta, files))
