"""Traces taken out for good: hidden from every reader at once, then out of every file, then told to be gone.

An erasure is begun by one entry of the commit log. Whoever reads the log stops showing the traces, whoever adds a
block leaves them out. All else may be done by anybody, at any time, as often as need be: `advance` does what can be
done now, and says what is still waited for. So a crash leaves the traces hidden and the rest to others.

What arrives of these traces until they are gone goes with them; what arrives later is new, and kept.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from storage.block_list import BlockList, ErasureRecord
from storage.block_store import BlockStore
from storage.commit_log import CommitConflict, Erasing
from storage.errors import StorageError
from storage.merge_parts import TraceIds
from storage.object_store import ObjectMissing
from storage.tempo_blocks.beside import is_tempo_node
from tempo_dask.maintenance.erased_files import delete_drafts, delete_holders, delete_old_ids

log = logging.getLogger(__name__)

POLL_S = 1.0
_NS = 10**9


class EraseUnfinished(StorageError):
    """Traces are hidden, but not gone yet; what was begun goes on when it is advanced again."""


@dataclass(frozen=True, slots=True)
class Waited:
    """What an erasure still waits for, and whether that passes without anybody doing something else about it."""

    why: str
    passes: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What erasing would change: blocks by id with the number of their traces that would go."""

    blocks: dict[str, int]


def find_traces(blocks: BlockStore, tenant: str, trace_ids: Sequence[bytes]) -> Found:
    """Return which blocks hold any of the traces: a dry run. Raises what listing and reading raise."""
    wanted = _as_array(trace_ids)
    counts = {block_id: blocks.count_held(tenant, block_id, wanted) for block_id in blocks.block_list(tenant).blocks}
    return Found({block_id: count for block_id, count in counts.items() if count})


def hide_traces(
    blocks: BlockStore,
    tenant: str,
    trace_ids: Sequence[bytes],
    *,
    grace_s: float,
    clock: Callable[[], int] = time.time_ns,
) -> str:
    """Begin an erasure and return its id: no query that begins from now on shows the traces.

    Files that readers of older lists may need stay for `grace_s` seconds. Raises ValueError where an id is none.
    """
    wanted = _as_array(trace_ids)
    erasure: ErasureRecord = {
        "id": str(uuid.uuid4()),
        "traces": len(wanted),
        "asked_ns": clock(),
        "grace_s": grace_s,
        "cleared": [],
    }
    blocks.hidden_ids.store(tenant, erasure["id"], wanted)
    blocks.commit_erasing(tenant, Erasing(hide=[erasure]))
    if all(stored != erasure["id"] for stored, _ in blocks.hidden_ids.stored(tenant)):
        blocks.hidden_ids.store(tenant, erasure["id"], wanted)  # another erasure took them for those of one that died
    log.info("hidden tenant=%s traces=%d erasure=%s", tenant, len(wanted), erasure["id"])
    return str(erasure["id"])


def advance(
    blocks: BlockStore, tenant: str, erasure_id: str, *, clock: Callable[[], int] = time.time_ns
) -> list[Waited]:
    """Do what can be done now for an erasure, and return what is still waited for: nothing where all is gone.

    Raises StoreUnavailable, BrokenLog.
    """
    listed = blocks.block_list(tenant)
    erasure = listed.hidden.get(erasure_id)
    if erasure is None:
        return []
    try:
        ids = blocks.hidden_ids.load(tenant, [erasure_id]).ids
    except ObjectMissing:
        if erasure_id in blocks.block_list(tenant).hidden:
            raise
        return []  # somebody else ended it
    grace_ns = int(erasure["grace_s"] * _NS)
    waited_for = [
        *_rewrite_all(blocks, tenant, listed, ids),
        *(Waited(f"node {node} still has to empty its write-ahead log") for node in _not_cleared(listed, erasure)),
        *(Waited(f"block {b} is Tempo's and holds some", passes=False) for b in blocks.not_ours_holding(tenant, ids)),
        *map(Waited, _leftovers(blocks, tenant, ids, erasure, clock())),
    ]
    if clock() >= erasure["asked_ns"] + grace_ns:
        # Who writes one since before then did not know of the erasure: he is told, and begins again.
        delete_drafts(blocks, erasure["asked_ns"])
        delete_old_ids(blocks, tenant, clock(), stored_before_ns=erasure["asked_ns"])
    else:
        waited_for.append(Waited("queries that began before may still read them"))
    if not waited_for:
        _end(blocks, tenant, erasure_id, clock())
    return waited_for


def advance_all(blocks: BlockStore, tenant: str, *, clock: Callable[[], int] = time.time_ns) -> dict[str, list[Waited]]:
    """Advance all erasures of a tenant, and return what each still waits for."""
    return {each: advance(blocks, tenant, each, clock=clock) for each in blocks.block_list(tenant).hidden}


def give_up_node(blocks: BlockStore, tenant: str, erasure_id: str, node: str) -> None:
    """Wait for a node no more whose disk is gone for good. Should it come back, it brings back what its log holds."""
    erasure = blocks.block_list(tenant).hidden.get(erasure_id)
    if erasure is not None and node not in erasure["cleared"]:
        blocks.commit_erasing(tenant, Erasing(cleared={erasure_id: node}))


def wait_until_gone(
    blocks: BlockStore,
    tenant: str,
    erasure_ids: Sequence[str],
    *,
    wait_s: float,
    progress: Callable[[str], None] = lambda _what: None,
    clock: Callable[[], int] = time.time_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Advance erasures until the traces are gone, and tell what is waited for.

    Raises EraseUnfinished after `wait_s`, or where nothing is waited for that passes.
    """
    delete_old_ids(blocks, tenant, clock())
    stop_ns = clock() + int(wait_s * _NS)
    told: set[str] = set()
    while waited_for := [why for each in erasure_ids for why in advance(blocks, tenant, each, clock=clock)]:
        reasons = [waited.why for waited in waited_for]
        for why in reasons:
            if why not in told:
                progress(f"waiting: {why}")
        told.update(reasons)
        if clock() >= stop_ns or not any(waited.passes for waited in waited_for):
            msg = f"the traces are hidden, but not gone yet: {'; '.join(reasons)}"
            raise EraseUnfinished(msg)
        sleep(POLL_S)
    progress("gone")


def _rewrite_all(blocks: BlockStore, tenant: str, listed: BlockList, ids: TraceIds) -> Iterator[Waited]:
    """Write all blocks that hold some of the traces anew, and yield why some could not be."""
    for block_id in listed.blocks:
        try:
            if blocks.count_held(tenant, block_id, ids):
                blocks.rewrite(tenant, block_id)
        except CommitConflict:
            yield Waited(f"block {block_id} was compacted or erased from meanwhile")
        except (StorageError, OSError, ValueError) as error:
            yield Waited(f"block {block_id} cannot be written anew: {error}", passes=False)


def _leftovers(blocks: BlockStore, tenant: str, ids: TraceIds, erasure: ErasureRecord, now_ns: int) -> list[str]:
    """Delete what no list names, as far as it may go, and return why some may not."""
    grace_ns = int(erasure["grace_s"] * _NS)
    return delete_holders(blocks, tenant, ids, now_ns=now_ns, asked_ns=erasure["asked_ns"], grace_ns=grace_ns)


def _not_cleared(listed: BlockList, erasure: ErasureRecord) -> list[str]:
    """Return the nodes whose write-ahead logs and memory may still hold the traces."""
    return [node for node in listed.flushed if not is_tempo_node(node) and node not in erasure["cleared"]]


def _end(blocks: BlockStore, tenant: str, erasure_id: str, now_ns: int) -> None:
    try:
        blocks.commit_erasing(tenant, Erasing(erased=[erasure_id]))
    except CommitConflict:
        log.debug("somebody else ended erasure %s", erasure_id)
    delete_old_ids(blocks, tenant, now_ns)
    log.info("erased tenant=%s erasure=%s", tenant, erasure_id)


def _as_array(trace_ids: Sequence[bytes]) -> TraceIds:
    """Return ids (n, 16), none twice. Raises ValueError where one is not of 16 bytes, or there is none."""
    if not trace_ids or any(len(trace_id) != 16 for trace_id in trace_ids):
        msg = "expected trace ids of 16 bytes"
        raise ValueError(msg)
    return np.unique(np.frombuffer(b"".join(trace_ids), np.uint8).reshape(-1, 16), axis=0)
