"""What a data directory's write-ahead logs hold and no block does: the live spans of a server, at work or stopped."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storage.block_store import BlockSnapshot, BlockStore
from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.merge import merge
from storage.remembered import Remembered
from storage.veil import veil_all
from storage.wal import WalRecord
from storage.wal_reading import ReadSegment, read_logs
from tempo_dask.kernels import otlp

#: Memory that decoded spans take at most while nobody asks of them.
_KEPT_BYTES = 1 << 30


def _kept() -> Remembered[tuple[str, str, int, int], Chunk]:
    return Remembered(_KEPT_BYTES, lambda chunk: chunk.nbytes)


@dataclass(frozen=True, slots=True)
class LoggedSpans:
    """The logs in the folder `wal` of a data directory. Reading them takes no lock and writes nothing.

    Decoded spans are kept, by tenant, node and numbers, while their records stay the same.
    """

    wal: Path
    _chunks: Remembered[tuple[str, str, int, int], Chunk] = field(default_factory=_kept, repr=False)

    def beside(self, blocks: BlockStore, tenant: str) -> tuple[BlockSnapshot, tuple[ScanSource, ...]]:
        """Return the blocks of a tenant, and chunks of the spans that are in none of them yet.

        Raises what reading either raises.
        """
        read = list(read_logs(self.wal, tenant, blocks.block_list(tenant).flushed))
        listed = blocks.snapshot(tenant)  # behind the logs: what left them meanwhile is in a block of it
        chunks = [self._chunk(tenant, left) for segment in read if (left := segment.behind(listed.flushed)).records]
        return listed, veil_all([chunk for chunk in chunks if chunk.meta.span_count], listed.hidden)[0]

    def _chunk(self, tenant: str, segment: ReadSegment) -> Chunk:
        records = segment.records
        key = (tenant, segment.node, records[0].seq, records[-1].seq)
        return self._chunks.get_or_make(key, lambda: _sealed(tenant, segment.node, records))


def _sealed(tenant: str, node: str, records: Sequence[WalRecord]) -> Chunk:
    bodies = [record.body for record in records]
    sound = [body for body, verdict in zip(bodies, otlp.check(bodies), strict=True) if verdict.error is None]
    return Chunk.seal(merge([otlp.decode(sound)]), id=uuid.uuid4().hex, tenant=tenant, node=node)
