"""A node made of the real parts, without their threads, and what may be done with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from storage.block_store import BlockStore
from storage.chunk import merge_chunks
from storage.columns import ScanSource
from storage.wal import Wal
from tempo_dask.ingest.decoder import Decoder
from tempo_dask.ingest.erasing import NodeErasure, VeiledLive
from tempo_dask.ingest.flush import Flusher, FlushLimits
from tempo_dask.ingest.live import LiveLimits, LiveStore
from tempo_dask.ingest.merging import Merger
from tempo_dask.ingest.records import Record
from tempo_dask.ingest.sources import Sources
from tempo_dask.kernels import otlp
from tempo_dask.physical.cube_cache import PROCESS_CUBES
from tests.simulation.machine import DATA, Machine

#: Makes a request of the numbers of its spans.
Body: TypeAlias = Callable[[Sequence[int]], bytes]


class Neighbours:
    """The live spans of other nodes, as a cluster lends them; to ask takes its time."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    async def after(self, tenant: str, flushed: Mapping[str, int]) -> tuple[tuple[ScanSource, ...], Mapping[str, str]]:
        """Return what other nodes hold that blocks up to these numbers do not."""
        sources: list[ScanSource] = []
        for node in self.nodes:
            await asyncio.wrap_future(node.live.caught_up(tenant))
            veiled = VeiledLive(node.live, node.blocks)
            sources += await asyncio.to_thread(veiled.after, tenant, flushed.get(node.name, 0))
        return tuple(sources), {}


class Node:
    """One life of a node, from its start to a crash."""

    def __init__(self, machine: Machine, name: str, body: Body) -> None:
        """Start: open the log, and take over what no block holds."""
        self.name = name
        self._body = body
        self._machine, rng = machine, machine.rng
        self.wal = Wal(DATA / "wal", name, segment_bytes=1500, files=machine.files, clock=machine.clock)
        self.blocks = BlockStore(machine.store(), clock=machine.clock)
        self.live = LiveStore(
            LiveLimits(batch_spans=rng.choice([8, 40]), linger_s=rng.choice([0.1, 1.0])), machine.monotonic
        )
        self.decoder = Decoder(self.live, otlp.decode, name)
        self.merger = Merger(self.live, merge_chunks)
        limits = FlushLimits(max_block_duration_s=rng.choice([0.2, 1.0]), grace_s=2)
        self.flusher = Flusher(self.live, self.blocks, self.wal, node=name, limits=limits)
        self.erasure = NodeErasure(
            self.blocks,
            self.live,
            self.wal,
            node=name,
            flush=self.flush,
            forget=PROCESS_CUBES.forget_all,
            monotonic=machine.monotonic,
        )
        self.neighbours = Neighbours()
        self.sources = Sources(self.blocks, self.live, name, self.neighbours)
        self.sources.open()
        flushed = {t: self.blocks.snapshot(t).flushed.get(name, 0) for t in self.blocks.tenants()}
        for tenant, seq in flushed.items():
            self.live.retire(tenant, seq)
        for record in self.wal.replay(flushed):
            spans = otlp.check([record.body])[0].spans
            self.live.accept([Record(record.seq, record.tenant, record.body, spans, record.arrived_ns)])
        self.live.replayed(self.wal.next_seq - 1)

    def push(self, group: Sequence[tuple[str, Sequence[int]]], arrived_ns: int) -> None:
        """Acknowledge requests, each the numbers of a tenant's spans, as the committer does."""
        bodies = [(tenant, self._body(numbers)) for tenant, numbers in group]
        for tenant, _ in group:
            self.erasure.join(tenant)
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

    def flush(self) -> None:
        """Make blocks of all that was acknowledged before."""
        for usage in self.live.usage():
            self.decode_all()
            self.flusher.flush(usage.tenant)

    def has_decoded(self, tenant: str) -> bool:
        """Return whether a query need not wait for this node."""
        return self.live.caught_up(tenant).done()

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
