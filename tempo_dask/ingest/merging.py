"""Small neighbouring chunks become larger ones, so a query meets a few chunks and not thousands.

Tiers as in a log-structured merge tree: a chunk's tier is the logarithm of its spans, and `FAN_IN` neighbours of
one tier, or below it, make one chunk of the next. Each span is so merged once per tier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from storage.chunk import Chunk
from tempo_dask.ingest.live import LiveStore

FAN_IN = 8
#: Chunks of this size are left alone: they are scanned fast enough, and merging more would only cost.
LARGEST_SPANS = 500_000

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
    """Return the newest run of at least `FAN_IN` neighbours no larger than one tier, or nothing."""
    sizes = [chunk.tables.spans.num_rows for chunk in chunks]
    for tier in sorted({_tier(size) for size in sizes if size < LARGEST_SPANS}):
        stop = len(sizes)
        while stop > 0:
            start = stop
            while start > 0 and _tier(sizes[start - 1]) <= tier and sizes[start - 1] < LARGEST_SPANS:
                start -= 1
            if stop - start >= FAN_IN:
                return chunks[start:stop]
            stop = min(start, stop - 1)
    return ()


def _tier(spans: int) -> int:
    return spans.bit_length() // FAN_IN.bit_length()
