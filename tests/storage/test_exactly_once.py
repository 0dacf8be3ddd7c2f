"""Every acknowledged span is found exactly once while it moves from the log into blocks, whatever fails on the way.

A small node made of the real log, the real block store and a dict of live spans, on a file system that loses what
was not synced. The model is a set of names: those that were acknowledged.
"""

from __future__ import annotations

import errno
import itertools
import random
from collections import Counter
from pathlib import Path

import pytest

from storage.block_store import BlockStore
from storage.commit_log import CommitConflict
from storage.errors import StorageError
from storage.local_objects import LocalStore
from storage.object_store import StoreUnavailable
from storage.wal import Wal, WalWriteError
from tests.storage.plain_blocks import PlainFormat, plain_sources
from tests.storage.power_loss import PowerCut, PowerLossFiles

DATA = Path("/no-such-place")
TENANTS = ("a", "b")


class Node:
    """One life of a node, from start to crash."""

    def __init__(self, files: PowerLossFiles) -> None:
        files.make_folder(DATA)
        files.sync_folder(DATA.parent)
        self.wal = Wal(DATA / "wal", "node", segment_bytes=200, files=files, clock=lambda: 1)
        self.blocks = BlockStore(LocalStore(DATA / "blocks", files=files), block_format=PlainFormat(), clock=lambda: 1)
        flushed = {tenant: self.flushed(tenant) for tenant in self.blocks.tenants()}
        self.live: dict[str, dict[int, str]] = {tenant: {} for tenant in TENANTS}
        for record in self.wal.replay(flushed):
            self.live[record.tenant][record.seq] = record.body.decode()

    def flushed(self, tenant: str) -> int:
        return self.blocks.snapshot(tenant).flushed.get("node", 0)

    def push(self, spans: list[tuple[str, str]]) -> None:
        for seq, (tenant, name) in zip(self.wal.append([(t, n.encode()) for t, n in spans]), spans, strict=True):
            self.live[tenant][seq] = name

    def flush(self, tenant: str) -> None:
        self.retire(tenant)
        live = self.live[tenant]
        if live:
            tables = plain_sources([live[seq] for seq in sorted(live)])
            self.blocks.publish(tenant, tables, node="node", first_seq=min(live), last_seq=max(live), arrived_ns=(1, 1))
            self.retire(tenant)
        unflushed = [seq for names in self.live.values() for seq in names]
        self.wal.release(min(unflushed, default=self.wal.next_seq) - 1)

    def retire(self, tenant: str) -> None:
        flushed = self.flushed(tenant)
        self.live[tenant] = {seq: name for seq, name in self.live[tenant].items() if seq > flushed}

    def found(self, tenant: str) -> Counter[str]:
        snapshot = self.blocks.snapshot(tenant)
        assert not snapshot.set_aside
        flushed = snapshot.flushed.get("node", 0)
        live = [name for seq, name in self.live[tenant].items() if seq > flushed]
        return Counter([*live, *(name for block in snapshot.blocks for name in block.names)])


class Model:
    """What was sent, and what was acknowledged."""

    def __init__(self) -> None:
        self.sent = {tenant: set() for tenant in TENANTS}
        self.acknowledged = {tenant: set() for tenant in TENANTS}

    def check(self, node: Node) -> None:
        for tenant in TENANTS:
            found = node.found(tenant)
            assert self.acknowledged[tenant] <= set(found) <= self.sent[tenant]
            assert set(found.values()) <= {1}


def live_through(node: Node, model: Model, rng: random.Random, life: int, steps: int) -> None:
    """Push and flush; errors that a node reports and survives are survived."""
    for step in range(steps):
        try:
            if rng.random() < 0.7:
                spans = [(rng.choice(TENANTS), f"{life}.{step}.{i}") for i in range(rng.randint(1, 4))]
                for tenant, name in spans:
                    model.sent[tenant].add(name)
                node.push(spans)
                for tenant, name in spans:
                    model.acknowledged[tenant].add(name)
            else:
                node.flush(rng.choice(TENANTS))
        except (WalWriteError, StoreUnavailable, CommitConflict):
            continue
        except StorageError as error:
            pytest.fail(f"unexpected: {error!r}")


def opened(files: PowerLossFiles) -> Node:
    """Start a node when the disk works again."""
    files.failures = {}
    files.cut_at = None
    return Node(files)


def operations_of(seed: int) -> int:
    files = PowerLossFiles(seed=seed)
    live_through(Node(files), Model(), random.Random(seed), 0, 9)
    return files.operations


@pytest.mark.parametrize("mode", ["least", "most", "mixed", "killed"])
def test_a_crash_at_every_operation(mode: str) -> None:
    """`killed` is a process that ends while the machine lives on."""
    seed = 3  # flushes of both tenants, and pushes around them
    for cut in range(1, operations_of(seed) + 1):
        files = PowerLossFiles(cut_at=cut, seed=cut)
        model = Model()
        try:
            live_through(Node(files), model, random.Random(seed), 0, 9)
        except PowerCut:
            if mode != "killed":
                files.pull_the_plug(mode)
        node = opened(files)
        model.check(node)
        for tenant in TENANTS:
            node.flush(tenant)
        model.check(node)
        model.check(opened(files))


@pytest.mark.parametrize("seed", range(40))
def test_lives_full_of_failures(seed: int) -> None:
    """Lives with full disks in them, ended by power cuts and kills; checked before, between and after."""
    rng = random.Random(seed)
    files = PowerLossFiles(seed=seed)
    model = Model()
    for life in itertools.count():
        node = opened(files)
        model.check(node)
        if life == 6:
            break
        start = files.operations
        files.cut_at = start + rng.randint(1, 400)
        files.failures = {start + rng.randint(1, 300): errno.ENOSPC for _ in range(rng.randint(0, 12))}
        try:
            live_through(node, model, rng, life, rng.randint(1, 25))
        except PowerCut:
            pass
        else:
            files.failures = {}
            files.cut_at = None
            model.check(node)
        if rng.random() < 0.7:
            files.pull_the_plug(rng.choice(["least", "most", "mixed"]))
