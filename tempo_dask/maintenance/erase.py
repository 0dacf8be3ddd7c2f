"""Traces taken out of the blocks for good: hidden at once, told to be gone when no file holds them any more.

Only blocks are looked at. What is live must be flushed before, and nothing more of these traces may arrive.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from storage.block_store import BlockStore
from storage.commit_log import CommitConflict
from storage.errors import StorageError
from storage.merge_parts import TraceIds

log = logging.getLogger(__name__)

#: Flushes and compactions change the list meanwhile; then it is looked at again.
_ATTEMPTS = 10
_POLL_S = 1.0


class EraseFailed(StorageError):
    """Traces are hidden, but files that hold them are still there."""


@dataclass(frozen=True, slots=True)
class Found:
    """What erasing would change: blocks by id with the number of their traces that would go."""

    blocks: dict[str, int]


def find_traces(blocks: BlockStore, tenant: str, trace_ids: Sequence[bytes]) -> Found:
    """Return which blocks hold any of the traces: a dry run. Raises what listing and reading raise."""
    wanted = _as_array(trace_ids)
    counts = {block.meta.id: int((block.find(wanted) >= 0).sum()) for block in blocks.snapshot(tenant).blocks}
    return Found({block_id: count for block_id, count in counts.items() if count})


def hide_traces(blocks: BlockStore, tenant: str, trace_ids: Sequence[bytes]) -> list[str]:
    """Put blocks without the traces in the place of those that hold them, and return the ids of the latter.

    No query that begins now finds the traces. Raises DamagedBlock where a block cannot be searched, CommitConflict
    where others keep changing the blocks.
    """
    wanted = _as_array(trace_ids)
    hidden: list[str] = []
    for attempt in range(_ATTEMPTS):
        try:
            old = blocks.erase(tenant, wanted)
        except CommitConflict:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        if not old:  # also none that was published while the others were written anew
            break
        hidden += old
    log.info("erased tenant=%s traces=%d blocks=%d", tenant, len(wanted), len(hidden))
    return hidden


def erase_traces(
    blocks: BlockStore,
    tenant: str,
    trace_ids: Sequence[bytes],
    *,
    grace_s: float,
    progress: Callable[[str], None] = lambda _what: None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Hide traces, wait until readers of older lists are through, and delete the files; return the old blocks' ids.

    Readers may take `grace_s` seconds. Raises as `hide_traces`, and EraseFailed where files cannot be deleted.
    """
    old = hide_traces(blocks, tenant, trace_ids)
    progress(f"hidden: {len(old)} blocks were written anew")
    if not old:
        return []
    progress(f"waiting {grace_s:g} s for readers")
    sleep(grace_s)
    sleep(_POLL_S)  # clocks are not finer than that everywhere
    swept = set(blocks.sweep(tenant, removed_grace_ns=int(grace_s * 1e9)))
    if kept := [block_id for block_id in old if block_id not in swept and blocks.holds_files(tenant, block_id)]:
        msg = f"the files of {', '.join(kept)} are still there"
        raise EraseFailed(msg)
    progress("gone")
    return old


def _as_array(trace_ids: Sequence[bytes]) -> TraceIds:
    """Return ids (n, 16). Raises ValueError where one is not of 16 bytes."""
    if any(len(trace_id) != 16 for trace_id in trace_ids):
        msg = "expected trace ids of 16 bytes"
        raise ValueError(msg)
    return np.frombuffer(b"".join(trace_ids), np.uint8).reshape(-1, 16)
