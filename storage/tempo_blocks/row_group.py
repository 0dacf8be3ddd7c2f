"""A row group of Tempo's as a scan source.

Tempo's traces stand in order of their ids, ours in order of their starts, and only decoding tells which attributes
there are. So a row group is decoded wholly when a query first needs it, and then kept in memory while there is room;
what its times and ids exclude is never decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from storage.block.files import BlockFiles
from storage.chunk import Chunk
from storage.columns import Column, ColumnMeta, ScanSource, SourceMeta, SpanTables, TableName, TypeName, UnitMeta
from storage.kernels.search import find_ids
from storage.remembered import Remembered
from storage.tempo_blocks.block import TempoBlock

#: A unit is the whole row group: its traces are in memory at once anyway.
_UNIT_SPANS = 1 << 31

#: By tenant and source.
_decoded: Remembered[tuple[str, str], Chunk] = Remembered(1 << 30, lambda chunk: chunk.nbytes)
_trace_ids: Remembered[tuple[str, str], npt.NDArray[np.uint8]] = Remembered(256 << 20, lambda ids: ids.nbytes)


class RowGroupMeta(SourceMeta):
    """What is known of a row group. Counts of spans, units and columns are found by decoding it, when asked for."""

    __slots__ = ("_describe", "_known")
    _describe: Callable[[], SourceMeta]
    _known: SourceMeta | None

    def __init__(self, block: TempoBlock, number: int, describe: Callable[[], SourceMeta]) -> None:
        start_ns, end_ns = block.times(number)
        known = {
            "id": f"{block.meta.id}.{number}",
            "tenant": block.tenant,
            "trace_count": block.trace_count(number),
            "start_ns": start_ns,
            "end_ns": end_ns,
            "_describe": describe,
            "_known": None,
        }
        for name, value in known.items():
            object.__setattr__(self, name, value)

    @property
    def _whole(self) -> SourceMeta:
        known = self._known
        if known is None:
            known = self._describe()
            object.__setattr__(self, "_known", known)
        return known

    @property
    def span_count(self) -> int:
        """Number of spans."""
        return self._whole.span_count

    @property
    def units(self) -> tuple[UnitMeta, ...]:
        """The one unit."""
        return self._whole.units

    @property
    def columns(self) -> Mapping[str, ColumnMeta]:
        """What is known of each attribute column."""
        return self._whole.columns

    @property
    def rest_keys(self) -> Mapping[TableName, frozenset[str] | None]:
        """The tables with a `rest`, and the keys in it."""
        return self._whole.rest_keys


class RowGroup(ScanSource):
    """A row group of a block. All methods raise DamagedBlock, and what the store raises."""

    def __init__(self, block: TempoBlock, number: int) -> None:
        self.block = block
        self.number = number
        self._meta = RowGroupMeta(block, number, lambda: self._chunk().meta)

    def __reduce__(self) -> tuple[object, tuple[BlockFiles, str, str, int]]:
        """Travel to another process as where the block lies."""
        return _arrived, (self.block.files, self.block.tenant, self.block.meta.id, self.number)

    @property
    def meta(self) -> SourceMeta:
        """Return what is known without reading; what is not known yet is read when it is asked for."""
        return self._meta

    def read(self, table: TableName, name: str, unit: int) -> Column | None:
        """Return a column of one unit, or None where there is no such column."""
        return self._chunk().read(table, name, unit)

    def read_rest(self, table: TableName, key: str, unit: int) -> Mapping[TypeName, Column]:
        """Return the values of a key that `rest` holds, by type."""
        return self._chunk().read_rest(table, key, unit)

    def find(self, trace_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Return for each id (n, 16) its row in traces, or -1; decodes nothing where all are absent."""
        absent = np.full(len(trace_ids), -1, np.int64)
        if not self.block.may_have(self.number, trace_ids):
            return absent
        places = find_ids(self.sorted_trace_ids().reshape(-1), np.ascontiguousarray(trace_ids).reshape(-1))
        return self._chunk().find(trace_ids) if (places >= 0).any() else absent

    def sorted_trace_ids(self) -> npt.NDArray[np.uint8]:
        """Return all trace ids (traces, 16), ascending bytewise."""
        return _trace_ids.get_or_make(self._key, lambda: self.block.read_trace_ids(self.number))

    def take_traces(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> SpanTables:
        """Return every column of the given traces, sorted."""
        return self._chunk().take_traces(rows)

    @property
    def _key(self) -> tuple[str, str]:
        return self._meta.tenant, self._meta.id

    def _chunk(self) -> Chunk:
        return _decoded.get_or_make(self._key, self._decode)

    def _decode(self) -> Chunk:
        tables = self.block.read_spans(self.number)
        return Chunk.seal(tables, id=self._meta.id, tenant=self._meta.tenant, unit_spans=_UNIT_SPANS)


def row_groups(block: TempoBlock) -> tuple[RowGroup, ...]:
    """Return the row groups of a block."""
    return tuple(RowGroup(block, number) for number in range(block.row_groups))


#: Blocks that came from other processes, by tenant and id, so that their footers are read once.
_blocks: Remembered[tuple[str, str], TempoBlock] = Remembered(1_000)


def _arrived(files: BlockFiles, tenant: str, block_id: str, number: int) -> RowGroup:
    return RowGroup(_blocks.get_or_make((tenant, block_id), lambda: TempoBlock(files, tenant)), number)
