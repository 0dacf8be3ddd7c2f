"""The columns of a row group fetched from a store a network away, before Arrow asks for them one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence

import pyarrow.parquet as pq

from storage.block.files import BlockFiles, RangeReader

#: Columns that are so near to each other are fetched in one piece, bytes between them and all.
_NEAR_BYTES = 1 << 20


class FetchedFile(RangeReader):
    """A file of which some ranges are here; what else is read of it is fetched then."""

    def __init__(self, files: BlockFiles, name: str, size: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Fetch the ranges, which rise and do not overlap."""
        super().__init__(files, name, size)
        self._starts = [start for start, _ in ranges]
        self._pieces = files.read_ranges(name, ranges)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        at = bisect_right(self._starts, self.tell()) - 1
        if size < 0 or at < 0:
            return super().read(size)
        offset = self.tell() - self._starts[at]
        data = self._pieces[at][offset : offset + size]
        if len(data) < size:
            return super().read(size)
        self.seek(self.tell() + size)
        return data


def ranges_of(row_group: pq.RowGroupMetaData, columns: Collection[str]) -> list[tuple[int, int]]:
    """Return the ranges of a file that hold some columns of a row group, rising, near ones joined."""
    chunks = [row_group.column(at) for at in range(row_group.num_columns)]
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(_range_of(chunk) for chunk in chunks if chunk.path_in_schema in columns):
        if joined and start - joined[-1][1] <= _NEAR_BYTES:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def _range_of(chunk: pq.ColumnChunkMetaData) -> tuple[int, int]:
    first = chunk.dictionary_page_offset if chunk.has_dictionary_page else None
    start = chunk.data_page_offset if first is None else min(first, chunk.data_page_offset)
    return start, start + chunk.total_compressed_size
