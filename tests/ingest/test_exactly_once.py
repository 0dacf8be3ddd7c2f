"""Whatever happens in whatever order, a snapshot has each acknowledged span exactly once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage.chunk import Chunk, merge_chunks
from tempo_dask.ingest.decoder import Decoder
from tempo_dask.ingest.flush import Flusher, FlushLimits
from tempo_dask.ingest.live import LiveLimits, LiveStore
from tempo_dask.ingest.records import Record
from tempo_dask.ingest.sources import Sources
from tempo_dask.kernels import otlp
from tests.ingest.numbered import FakeBlockList, FakeBlocks, FakeLog, body, numbers_in

NODE = "n"
TENANTS = ("a", "b")


@dataclass
class PausedBlocks(FakeBlocks):
    """Gives readers an older list until told otherwise, as a reader that was slow would hold it."""

    held: dict[str, FakeBlockList] = field(default_factory=dict)


class Writes(RuleBasedStateMachine):
    """Records are accepted, decoded, merged, flushed, retired and dropped in any order."""

    @initialize()
    def start(self) -> None:
        self.now = 0.0
        self.live = LiveStore(LiveLimits(batch_spans=4), monotonic=lambda: self.now)
        self.blocks = PausedBlocks()
        self.log = FakeLog()
        self.decoder = Decoder(self.live, otlp.decode, NODE)
        self.merging: dict[str, tuple[Sequence[Chunk], Chunk]] = {}
        self.flusher = Flusher(self.live, self.blocks, self.log, node=NODE, limits=FlushLimits(grace_s=10))
        self.acknowledged: dict[str, list[int]] = {tenant: [] for tenant in TENANTS}
        self.next_number = 0

    @rule(group=st.lists(st.tuples(st.sampled_from(TENANTS), st.integers(1, 5)), min_size=1, max_size=4))
    def push(self, group: list[tuple[str, int]]) -> None:
        records = []
        for tenant, count in group:
            spans = range(self.next_number, self.next_number + count)
            self.next_number += count
            self.acknowledged[tenant] += spans
            [seq] = self.log.append([(tenant, body(spans))], arrived_ns=1)
            records.append(Record(seq, tenant, body(spans), count, 1))
        self.live.accept(records)

    @rule()
    def decode(self) -> None:
        self.decoder.step(timeout_s=0)

    @rule(seconds=st.sampled_from([0.3, 6, 20]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(tenant=st.sampled_from(TENANTS), first=st.integers(0, 3), count=st.integers(2, 4))
    def begin_merging(self, tenant: str, first: int, count: int) -> None:
        run = self.live.open_chunks(tenant)[first : first + count]
        if len(run) > 1:
            self.merging[tenant] = (run, merge_chunks(run))

    @precondition(lambda self: self.merging)
    @rule(data=st.data())
    def finish_merging(self, data: st.DataObject) -> None:
        tenant = data.draw(st.sampled_from(sorted(self.merging)))
        self.live.replace(tenant, *self.merging.pop(tenant))

    @rule(tenant=st.sampled_from(TENANTS))
    def publish(self, tenant: str) -> None:
        self.flusher._publish(tenant)

    @rule(tenant=st.sampled_from(TENANTS), before=st.booleans())
    def publish_with_error(self, tenant: str, before: bool) -> None:
        self.blocks.fail_before, self.blocks.fail_after = int(before), int(not before)
        with contextlib.suppress(OSError):
            self.flusher._publish(tenant)
        self.blocks.fail_before = self.blocks.fail_after = 0

    @rule()
    def drop(self) -> None:
        self.live.drop_retired(10)

    @rule(tenant=st.sampled_from(TENANTS))
    def publish_and_drop(self, tenant: str) -> None:
        """A flush whose grace is over before anybody reads again."""
        self.flusher._publish(tenant)
        self.now += 20
        self.drop()

    @rule(tenant=st.sampled_from(TENANTS))
    def hold_block_list(self, tenant: str) -> None:
        self.blocks.held[tenant] = self.blocks.snapshot(tenant)

    @precondition(lambda self: self.blocks.held)
    @rule(data=st.data())
    def read_with_older_list(self, data: st.DataObject) -> None:
        """A reader that took its block list a while ago sees all, or is told to take a newer list."""
        tenant = data.draw(st.sampled_from(sorted(self.blocks.held)))
        older = self.blocks.held.pop(tenant)
        newest = self.blocks.lists
        lists = iter([older])
        self.blocks.snapshot = lambda t: next(lists, newest.get(t, FakeBlockList()))  # type: ignore[method-assign]
        self.check(tenant)
        del self.blocks.snapshot

    @rule(tenant=st.sampled_from(TENANTS), drop=st.booleans())
    def read_while_a_flush_happens(self, tenant: str, drop: bool) -> None:
        """A block is published, and its chunks dropped, right after the reader has got its block list."""
        listed = self.blocks.snapshot

        def snapshot_then_publish(tenant: str) -> FakeBlockList:
            answer = listed(tenant)
            self.blocks.snapshot = listed  # type: ignore[method-assign]
            self.flusher._publish(tenant)
            if drop:
                self.now += 20
                self.drop()
            return answer

        self.blocks.snapshot = snapshot_then_publish  # type: ignore[method-assign]
        self.check(tenant)

    @rule(tenant=st.sampled_from(TENANTS))
    def read(self, tenant: str) -> None:
        self.check(tenant)

    def check(self, tenant: str) -> None:
        sources = Sources(self.blocks, self.live, NODE)
        sources.open()
        seen = numbers_in(asyncio.run(self.snapshot(sources, tenant)))
        assert seen == sorted(self.acknowledged[tenant])

    async def snapshot(self, sources: Sources, tenant: str):
        reading = asyncio.ensure_future(sources.snapshot(tenant))
        await asyncio.sleep(0)
        while self.decoder.step(timeout_s=0):
            pass
        return await reading

    @invariant()
    def what_is_held_is_counted(self) -> None:
        held = [
            chunk for tenant in TENANTS if tenant in self.live._tenants for chunk in self.live._tenants[tenant].chunks
        ]
        assert self.live._chunk_bytes.keys() == {chunk.id for chunk in held}
        assert self.live._all_chunk_bytes == sum(self.live._chunk_bytes.values())

    @invariant()
    def log_keeps_what_no_block_has(self) -> None:
        """All that the log has let go of lies in blocks, so a crash just now loses nothing."""
        for tenant in TENANTS:
            flushed = self.blocks.lists.get(tenant, FakeBlockList()).flushed.get(NODE, 0)
            first_kept = self.log.released + 1
            unflushed = [
                seq for seq, (owner, _) in enumerate((r for g in self.log.groups for r in g), start=1)
                if owner == tenant and seq > flushed
            ]  # fmt: skip
            assert all(seq >= first_kept for seq in unflushed)

    @invariant()
    def replay_gives_the_rest(self) -> None:
        """Blocks and what the log holds behind their flushed numbers are together all that was acknowledged."""
        for tenant in TENANTS:
            listed = self.blocks.lists.get(tenant, FakeBlockList())
            behind = [
                seq_body for seq, (owner, seq_body) in enumerate((r for g in self.log.groups for r in g), start=1)
                if owner == tenant and seq > listed.flushed.get(NODE, 0)
            ]  # fmt: skip
            replayed = [n for seq_body in behind for n in _numbers_of(seq_body)]
            assert sorted(numbers_in(listed.blocks) + replayed) == sorted(self.acknowledged[tenant])


def _numbers_of(seq_body: bytes) -> list[int]:
    spans = otlp.decode([seq_body]).spans
    return [int.from_bytes(span_id, "big") - 1 for span_id in spans.column("span_id").to_pylist()]


Writes.TestCase.settings = settings(max_examples=25, stateful_step_count=35, deadline=None)
TestExactlyOnce = Writes.TestCase
