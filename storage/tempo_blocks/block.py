"""A block that Tempo wrote: its description, its footer, and its row groups as scan sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.arrays import single_chunk
from storage.block.files import BlockFiles, RangeReader
from storage.block.table_file import damage_told
from storage.columns import SpanTables
from storage.errors import BadColumns, DamagedBlock
from storage.merge import merge
from storage.tempo_blocks.decode import decode_traces
from storage.tempo_blocks.fetched import FetchedFile, ranges_of
from storage.tempo_blocks.meta import DATA, META, TempoMeta

#: Spans decoded at a time, about: what they take while nested and while flat is all that is held beside the result.
_BATCH_SPANS = 100_000
#: Columns that follow from others.
_DERIVED = ("ParentID", "NestedSetLeft", "NestedSetRight", "ChildCount", "SpanCount")
_ALWAYS = (-(2**63), 2**63 - 1)


class TempoBlock:
    """An open block. Methods may be called from many threads; they raise DamagedBlock and what the store raises."""

    def __init__(self, files: BlockFiles, tenant: str) -> None:
        """Read the description and the footer. Whose spans these are says the folder, not the description."""
        self.files = files
        self.tenant = tenant
        self.meta = TempoMeta.decode(files.read_range(META, 0, files.size(META)))
        self._size = files.size(DATA)
        with _told():
            path = files.local_path(DATA)
            self._mapped = None if path is None else pa.memory_map(str(path)).read_buffer()
            self._footer = pq.read_metadata(self._source())
            self._leaves = [self._footer.schema.column(at).path for at in range(self._footer.num_columns)]
            self._span_id = next(path for path in self._leaves if path.endswith(".SpanID") and ".Links." not in path)

    @property
    def row_groups(self) -> int:
        """Number of row groups."""
        return int(self._footer.num_row_groups)

    def trace_count(self, row_group: int) -> int:
        """Return how many traces a row group has."""
        return int(self._footer.row_group(row_group).num_rows)

    def span_count(self, row_group: int) -> int:
        """Return how many spans a row group has, those that it holds twice counted twice."""
        chunk = self._chunk(row_group, self._span_id)
        return int(chunk.statistics.num_values if chunk.is_stats_set else chunk.num_values)

    def times(self, row_group: int) -> tuple[int, int]:
        """Return bounds of all trace times of a row group, in nanoseconds (those in `meta.json` may be wrong)."""
        bounds = [self._chunk(row_group, name) for name in ("StartTimeUnixNano", "EndTimeUnixNano")]
        if not all(chunk.is_stats_set and chunk.statistics.has_min_max for chunk in bounds):
            return _ALWAYS
        start, end = (chunk.statistics for chunk in bounds)
        if max(start.max, end.max) >= 2**63:
            return _ALWAYS
        return start.min, max(start.max, end.max)

    def may_have(self, row_group: int, trace_ids: npt.NDArray[np.uint8]) -> bool:
        """Return whether any of some trace ids (n, 16) lies between the first and the last of a row group."""
        chunk = self._chunk(row_group, "TraceID")
        if not (chunk.is_stats_set and chunk.statistics.has_min_max):
            return True
        first, last = chunk.statistics.min, chunk.statistics.max
        return any(first <= trace_id.tobytes() <= last for trace_id in trace_ids)

    def read_trace_ids(self, row_group: int) -> npt.NDArray[np.uint8]:
        """Return the trace ids of a row group (traces, 16), ascending."""
        with _told():
            column = (
                self._open(row_group, ["TraceID"]).read_row_group(row_group, ["TraceID"], use_threads=False).column(0)
            )
            ids = single_chunk(column.cast(pa.binary(16)))
        words = np.frombuffer(ids.buffers()[1], "S16", len(ids), ids.offset * 16)
        return np.sort(words).view(np.uint8).reshape(-1, 16)

    def read_spans(self, row_group: int) -> SpanTables:
        """Return the spans of a row group, sorted."""
        traces, spans = self.trace_count(row_group), self.span_count(row_group)
        batch_size = max(1, traces * _BATCH_SPANS // max(1, spans))
        columns = [path for path in self._leaves if _is_wanted(path)]
        with _told():
            file = self._open(row_group, columns)
            batches = file.iter_batches(batch_size, [row_group], columns, use_threads=False)
            return merge([decode_traces(pa.Table.from_batches([b]), self.meta.dedicated) for b in batches])

    def find_damage(self) -> Iterator[tuple[str, str]]:
        """Yield the files that cannot be read, each with why. Reads all of them."""
        try:
            for row_group in range(self.row_groups):
                self.read_spans(row_group)
        except DamagedBlock as error:
            yield DATA, str(error)

    def _chunk(self, row_group: int, path: str) -> pq.ColumnChunkMetaData:
        with _told():
            return self._footer.row_group(row_group).column(self._leaves.index(path))

    def _source(self) -> pa.NativeFile:
        if self._mapped is not None:
            return pa.BufferReader(self._mapped)
        return pa.PythonFile(RangeReader(self.files, DATA, self._size))

    def _open(self, row_group: int, columns: Sequence[str]) -> pq.ParquetFile:
        """Return the file to read some columns of a row group from."""
        source = self._source()
        if self._mapped is None:
            ranges = ranges_of(self._footer.row_group(row_group), columns)
            source = pa.PythonFile(FetchedFile(self.files, DATA, self._size, ranges))
        return pq.ParquetFile(source, metadata=self._footer, pre_buffer=False)


def _is_wanted(path: str) -> bool:
    """Return whether a column is read: of the trace its id, of what is below it all that does not follow."""
    name = path.rpartition(".")[2]
    return path == "TraceID" or (path.startswith("rs.") and name not in _DERIVED and not name.startswith("StartTimeR"))


@contextmanager
def _told() -> Iterator[None]:
    """Turn what Arrow and the decoder say of a file that is not as it must be into DamagedBlock."""
    try:
        with damage_told(DATA):
            yield
    except (KeyError, IndexError, StopIteration, BadColumns) as error:
        msg = f"{DATA} cannot be read: {error!r}"
        raise DamagedBlock(msg) from error
