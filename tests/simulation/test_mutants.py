"""The simulation can fail: what must always be done is left out here, and a seed finds it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from storage.block_list import BlockList, LogEntry
from storage.block_store import BlockStore
from storage.columns import ScanSource
from storage.errors import StorageError
from storage.files import Data
from storage.wal import Wal
from tempo_dask.engine import sources
from tempo_dask.ingest import sources as ingest_sources
from tempo_dask.ingest.erasing import NodeErasure
from tempo_dask.ingest.sources import Sources
from tempo_dask.physical.units import Shard
from tests.simulation.lives import Lives
from tests.simulation.machine import SimulatedFiles, SimulatedStore
from tests.simulation.test_simulation import inline_executor
from tests.storage.power_loss import Handle


async def _alone(_sources: Sources, _tenant: str, _listed: object) -> tuple[tuple[()], dict[str, str]]:
    return (), {}


_sweep, _release = BlockStore.sweep, Wal.release
#: A fault is found by one of so many seeds; most by the first few.
MOST_SEEDS = 200


def _forgetful(apply: Callable[[BlockList, LogEntry], BlockList]) -> Callable[[BlockList, LogEntry], BlockList]:
    return lambda listed, entry: replace(apply(listed, entry), flushed={})


def _sync_nothing(files: SimulatedFiles, path: Path) -> None:  # in the place of a method
    files.step("sync_folder")


def _overwrite(store: SimulatedStore, key: str, data: Data) -> bool:
    store.put(key, data)
    return True


def _sweep_at_once(blocks: BlockStore, tenant: str, *, removed_grace_ns: int) -> list[str]:
    return _sweep(blocks, tenant, removed_grace_ns=0)


def _release_too_much(wal: Wal, flushed: int) -> None:
    _release(wal, flushed + 3)


def _unstitched(found: Sequence[ScanSource]) -> tuple[Shard, ...]:
    return tuple(Shard(source) for source in found)


MUTANTS = {
    "files are not synced": (Handle, "sync", lambda _handle: None),
    "folders are not synced": (SimulatedFiles, "sync_folder", _sync_nothing),
    "blocks are listed before their names last": (SimulatedStore, "sync", lambda _store, _keys: None),
    "a flush does not say how far it went": (BlockList, "apply", _forgetful(BlockList.apply)),
    "what was sent twice is not looked for": (sources, "stitched", _unstitched),
    "files go while a reader may hold an older list": (BlockStore, "sweep", _sweep_at_once),
    "a node does not empty its log of erased traces": (NodeErasure, "empty_log", lambda _node: True),
    "live spans show erased traces": (ingest_sources, "veil_all", lambda chunks, _hidden: (chunks, {})),
}
#: Found too, by a later seed.
RARE = {
    "the log lets go of what no block holds": (Wal, "release", _release_too_much),
    "other nodes are not asked": (Sources, "_of_others", _alone),
    "one process overwrites another's entry of the log": (SimulatedStore, "put_if_absent", _overwrite),
}


def found_out(target: object, name: str, replacement: object) -> bool:
    """Return whether a seed fails when that is in the place of a part."""
    executor = inline_executor()
    with mock.patch.object(target, name, replacement):
        for seed in range(MOST_SEEDS):
            try:
                Lives(seed, executor).live()
            except (AssertionError, StorageError):
                return True
    return False


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_fault_is_found_out(mutant: str) -> None:
    assert found_out(*MUTANTS[mutant])


@pytest.mark.slow
@pytest.mark.parametrize("mutant", RARE)
def test_a_rare_fault_is_found_out(mutant: str) -> None:
    assert found_out(*RARE[mutant])
