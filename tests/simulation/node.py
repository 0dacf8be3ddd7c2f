"""A node made of the real parts, without their threads, and what may be done with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from storage.block_store import BlockStore
from storage.chunk import merge_chunks
from storage.columns import ScanSource
from storage.wal import Wal
from tempo_dask.ingest.decoder import Decoder
from tempo_dask.ingest.flush import Flusher, FlushLimits
from tempo_dask.ingest.live import LiveLimits, LiveStore
from tempo_dask.ingest.merging import Merger
from tempo_dask.ingest.records import Record
from tempo_dask.ingest.sources import Sources
from tempo_dask.kernels import otlp
from tests.ingest.numbered import body
from tests.simulation.machine import DATA, Machine

NODE = "node"


class Node:
    """One life of a node, from its start to a crash."""

    def __init__(self, machine: Machine) -> None:
        """Start: open the log, and take over what no block holds."""
        self._machine, rng = machine, machine.rng
        self.wal = Wal(DATA / "wal", NODE, segment_bytes=400, files=machine.files, clock=machine.clock)
        self.blocks = BlockStore(machine.store(), clock=machine.clock)
        self.live = LiveStore(
            LiveLimits(batch_spans=rng.choice([8, 40]), linger_s=rng.choice([0.1, 1.0])), machine.monotonic
        )
        self.decoder = Decoder(self.live, otlp.decode, NODE)
        self.merger = Merger(self.live, merge_chunks)
        limits = FlushLimits(max_block_duration_s=rng.choice([0.2, 1.0]), grace_s=2)
        self.flusher = Flusher(self.live, self.blocks, self.wal, node=NODE, limits=limits)
        self.sources = Sources(self.blocks, self.live, NODE)
        self.sources.open()
        flushed = {t: self.blocks.snapshot(t).flushed.get(NODE, 0) for t in self.blocks.tenants()}
        for tenant, seq in flushed.items():
            self.live.retire(tenant, seq)
        for record in self.wal.replay(flushed):
            spans = otlp.check([record.body])[0].spans
            self.live.accept([Record(record.seq, record.tenant, record.body, spans, record.arrived_ns)])

    def push(self, group: Sequence[tuple[str, Sequence[int]]], arrived_ns: int) -> None:
        """Acknowledge requests, each the numbers of a tenant's spans, as the committer does."""
        bodies = [(tenant, body(numbers)) for tenant, numbers in group]
        seqs = self.wal.append(bodies, arrived_ns=arrived_ns)
        self._machine.pause()
        self.live.accept(
            [
                Record(seq, tenant, data, len(numbers), arrived_ns)
                for seq, (tenant, data), (_, numbers) in zip(seqs, bodies, group, strict=True)
            ]
        )

    def decode_all(self) -> None:
        while self.live.usage() and any(not self.live.caught_up(u.tenant).done() for u in self.live.usage()):
            self.decoder.step(timeout_s=0)

    def snapshot(self, tenant: str) -> tuple[ScanSource, ...]:
        """Return what a query scans; everything must be decoded."""
        return self._machine.awaited(self.sources.snapshot(tenant))


def numbers_of(sources: Sequence[ScanSource]) -> Counter[int]:
    """Return how often each span's number stands in the columns of all sources."""
    found: Counter[int] = Counter()
    for source in sources:
        for unit in range(len(source.meta.units)):
            column = source.read("spans", "span_id", unit)
            assert column is not None
            found.update(int.from_bytes(span_id.tobytes(), "big") - 1 for span_id in column.data)
    return found
