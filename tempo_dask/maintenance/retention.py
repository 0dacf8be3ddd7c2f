"""Blocks leave the list when their newest spans arrived long enough ago; the times of spans do not matter."""

from __future__ import annotations

import logging

from storage.block_store import BlockStore
from storage.commit_log import CommitConflict
from tempo_dask.maintenance import metrics

log = logging.getLogger(__name__)

#: A compaction may take the same blocks off the list; then they are looked for again.
_ATTEMPTS = 10


def expire(blocks: BlockStore, tenant: str, retention_ns: int, now_ns: int) -> list[str]:
    """Take the blocks off the list whose spans all arrived before `now_ns - retention_ns`, and return their ids.

    A retention of 0 keeps blocks for ever. Raises StoreUnavailable, BrokenLog; CommitConflict where others keep
    changing the same blocks.
    """
    if retention_ns <= 0:
        return []
    for attempt in range(_ATTEMPTS):
        listed = blocks.block_list(tenant)
        expired = [block_id for block_id, r in listed.blocks.items() if r["arrived_ns"] < now_ns - retention_ns]
        if not expired:
            return []
        try:
            blocks.remove(tenant, expired)
        except CommitConflict:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        metrics.EXPIRED.inc(len(expired))
        log.info("expired tenant=%s blocks=%d", tenant, len(expired))
        return expired
    return []
