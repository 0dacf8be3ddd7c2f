"""An erasure that is cut off anywhere: hidden traces stay hidden, another life finishes, nothing else is touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storage.block_store import BlockStore
from storage.local_objects import LocalStore
from storage.wal import Wal
from tempo_dask.ingest.decoder import Decoder
from tempo_dask.ingest.erasing import NodeErasure
from tempo_dask.ingest.flush import Flusher
from tempo_dask.ingest.live import LiveStore
from tempo_dask.ingest.records import Record
from tempo_dask.ingest.sources import Sources
from tempo_dask.kernels import otlp
from tempo_dask.maintenance.erase import advance_all, hide_traces
from tempo_dask.maintenance.erased_files import delete_old_ids
from tests.ingest.numbered import START_NS, body, numbers_in
from tests.storage.power_loss import Folder, Inode, PowerCut, PowerLossFiles

DATA = Path("/no-such-place")
TENANT, NODE = "t", "node"
GONE = range(3, 6)  # numbers of one trace
WANTED = (GONE[0] // 3 + 1).to_bytes(16, "big")
#: What is sent, some of it before a flush: the trace lies in two blocks and in the log.
FLUSHED = ([0, 1, 3, 6], [4, 7, 30])
LIVE = ([5, 8, 31],)
ALL = sorted(number for each in (*FLUSHED, *LIVE) for number in each)
LEFT = [number for number in ALL if number not in GONE]
#: Of all the operations of a whole erasure, every so many is one that fails by day.
STRIDE = 97


class Store(LocalStore):
    """A local store whose files cannot be mapped, for they are not really there."""

    def local_path(self, key: str) -> None:  # type: ignore[override]  # none
        return None


class Life:
    """A node from its start to a crash, all on one thread."""

    def __init__(self, files: PowerLossFiles) -> None:
        self.now_ns = START_NS
        self.wal = Wal(DATA / "wal", NODE, files=files, clock=self.clock)
        self.blocks = BlockStore(Store(DATA / "blocks", files=files), clock=self.clock)
        self.live = LiveStore()
        self._decoder = Decoder(self.live, otlp.decode, NODE)
        self._flusher = Flusher(self.live, self.blocks, self.wal, node=NODE)
        flushed = {TENANT: self.blocks.block_list(TENANT).flushed.get(NODE, 0)}
        self.live.retire(TENANT, flushed[TENANT])
        for record in self.wal.replay(flushed):
            self._accept(record.seq, record.body)
        self.live.replayed(self.wal.next_seq - 1)
        self.erasure = NodeErasure(
            self.blocks,
            self.live,
            self.wal,
            node=NODE,
            flush=self.flush,
            forget=lambda: None,
            monotonic=lambda: self.now_ns / 1e9,
        )

    def clock(self) -> int:
        self.now_ns += 1000
        return self.now_ns

    def push(self, numbers: list[int]) -> None:
        data = body(numbers)
        [seq] = self.wal.append([(TENANT, data)])
        self._accept(seq, data)

    def flush(self) -> None:
        self._decode()
        self._flusher.flush()

    def seen(self) -> list[int]:
        """Return what a query sees."""
        self._decode()
        sources = Sources(self.blocks, self.live, NODE)
        sources.open()
        return numbers_in(asyncio.run(sources.snapshot(TENANT)))

    def hide(self) -> None:
        hide_traces(self.blocks, TENANT, [WANTED], grace_s=1, clock=self.clock)

    def finish(self) -> None:
        """Do what the node and its maintenance do, until nothing is hidden any more."""
        for _ in range(10):
            self.erasure.step()
            if not advance_all(self.blocks, TENANT, clock=self.clock):
                delete_old_ids(self.blocks, TENANT, self.clock())  # as each sweep does
                return
            self.now_ns += 1800 * 10**9  # what is half written is given up after hours
        raise AssertionError("never over")

    def _accept(self, seq: int, data: bytes) -> None:
        self.live.accept([Record(seq, TENANT, data, otlp.check([data])[0].spans, self.now_ns)])

    def _decode(self) -> None:
        while any(not self.live.caught_up(usage.tenant).done() for usage in self.live.usage()):
            self._decoder.step(timeout_s=0)


def begun() -> tuple[PowerLossFiles, Life]:
    """Return a machine on which the trace lies everywhere."""
    files = PowerLossFiles(clock=lambda: START_NS)
    files.make_folder(DATA)
    files.sync_folder(DATA.parent)
    life = Life(files)
    for numbers in FLUSHED:
        life.push(numbers)
        life.flush()
    for numbers in LIVE:
        life.push(numbers)
    assert life.seen() == ALL
    return files, life


def contents(node: Inode | Folder) -> list[bytes]:
    if isinstance(node, Inode):
        return [node.live, node.durable]
    return [data for child in (*node.live.values(), *node.durable.values()) for data in contents(child)]


def operations() -> int:
    """Return how many operations a whole erasure takes."""
    files, life = begun()
    before = files.operations
    life.hide()
    life.finish()
    return files.operations - before


def crashed_at(cut: int, mode: str) -> None:
    files, life = begun()
    files.cut_at = files.operations + cut
    is_hidden = False
    try:
        life.hide()
        is_hidden = True
        life.finish()
    except PowerCut:
        pass
    files.pull_the_plug(mode)
    again = Life(files)
    seen = again.seen()
    assert seen == LEFT or (seen == ALL and not is_hidden)
    if seen == ALL:
        again.hide()
        assert again.seen() == LEFT
    again.finish()
    assert again.seen() == LEFT
    files.pull_the_plug("least")  # what is told to be gone does not come back
    assert Life(files).seen() == LEFT
    held = contents(files.root)
    assert not [data for data in held if WANTED in data or WANTED.hex().encode() in data]
    assert not Life(files).blocks.block_list(TENANT).hidden
    again = Life(files)
    again.push([3])
    assert again.seen() == sorted([3, *LEFT])


def test_cut_off_anywhere() -> None:
    total = operations()
    assert total > 50
    for cut in range(1, total + 1, STRIDE):
        crashed_at(cut, ("least", "most", "mixed")[cut % 3])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["least", "most", "mixed"])
def test_cut_off_everywhere(mode: str) -> None:
    for cut in range(1, operations() + 1):
        crashed_at(cut, mode)
