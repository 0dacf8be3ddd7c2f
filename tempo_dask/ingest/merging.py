"""Small neighbouring chunks become larger ones, so a query meets a few chunks and not thousands.

As in a log-structured merge tree `FAN_IN` neighbours of a size, or below it, make one larger chunk; but never is a
chunk copied to take in a few small ones: every merge makes a chunk `GROWTH` times the largest it is made of. So a
span is copied a few times on its way to a chunk of `LARGEST_SPANS`, and then it waits for its block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from storage.chunk import Chunk
from tempo_dask.ingest.live import LiveLimits, LiveStore

FAN_IN = 8
GROWTH = 4
#: Chunks of this size are left alone: they are scanned fast enough, and merging more would only cost. Under load all
#: come from the decoder at that size.
LARGEST_SPANS = LiveLimits().batch_spans

MergeChunks: TypeAlias = Callable[[Sequence[Chunk]], Chunk]


class Merger:
    """Merges chunks of all tenants; `step` is for one thread."""

    def __init__(self, live: LiveStore, merge_chunks: MergeChunks) -> None:
        self._live = live
        self._merge_chunks = merge_chunks

    def step(self) -> int:
        """Merge one run of each tenant that has one, and return how many were merged."""
        return sum(self._merge(usage.tenant) for usage in self._live.usage())

    def _merge(self, tenant: str) -> bool:
        run = mergeable_run(self._live.open_chunks(tenant))
        return bool(run) and self._live.replace(tenant, run, self._merge_chunks(run))


def mergeable_run(chunks: Sequence[Chunk]) -> Sequence[Chunk]:
    """Return the newest run of at least `FAN_IN` neighbours that are small beside what they make, or nothing."""
    sizes = [chunk.tables.spans.num_rows for chunk in chunks]
    for tier in sorted({size.bit_length() for size in sizes if size < LARGEST_SPANS}):
        stop = len(sizes)
        while stop > 0:
            start = stop
            while start > 0 and sizes[start - 1].bit_length() <= tier and sizes[start - 1] < LARGEST_SPANS:
                start -= 1
            run = sizes[start:stop]
            if len(run) >= FAN_IN and sum(run) >= GROWTH * max(run):
                return chunks[start:stop]
            stop = min(start, stop - 1)
    return ()
