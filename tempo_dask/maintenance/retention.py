"""Blocks leave the list when their newest spans arrived long enough ago; the times of spans do not matter.

Their files stay for a while, since queries that began before read them, and are deleted behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from storage.block_list import BlockRecord
from storage.block_store import BlockStore
from storage.commit_log import CommitConflict
from storage.errors import StorageError
from storage.object_store import ObjectInfo, ObjectStore
from storage.sweep import delete_block, find_unread
from tempo_dask.maintenance import metrics
from tempo_dask.maintenance.tasks import RunTasks, one_by_one

log = logging.getLogger(__name__)

#: A compaction may take the same blocks off the list; then they are looked for again.
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Deleted:
    """A block whose files were deleted, or why they were not."""

    block_id: str
    error: str | None = None


def expired(blocks: BlockStore, tenant: str, retention_ns: int, now_ns: int) -> list[BlockRecord]:
    """Return the listed blocks whose spans all arrived before `now_ns - retention_ns`; none where that is 0.

    Raises StoreUnavailable, BrokenLog.
    """
    if retention_ns <= 0:
        return []
    return [each for each in blocks.block_list(tenant).blocks.values() if each["arrived_ns"] < now_ns - retention_ns]


def expire(blocks: BlockStore, tenant: str, retention_ns: int, now_ns: int) -> list[str]:
    """Take the blocks off the list whose spans all arrived before `now_ns - retention_ns`, and return their ids.

    A retention of 0 keeps blocks for ever. Raises StoreUnavailable, BrokenLog; CommitConflict where others keep
    changing the same blocks.
    """
    for attempt in range(_ATTEMPTS):
        block_ids = [record["id"] for record in expired(blocks, tenant, retention_ns, now_ns)]
        if not block_ids:
            return []
        try:
            blocks.remove(tenant, block_ids)
        except CommitConflict:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        metrics.EXPIRED.inc(len(block_ids))
        log.info("expired tenant=%s blocks=%d", tenant, len(block_ids))
        return block_ids
    return []


def delete_unread(
    blocks: BlockStore,
    tenant: str,
    grace_ns: int,
    now_ns: int,
    *,
    run: RunTasks = one_by_one,
    progress: Callable[[Deleted, int], None] = lambda _deleted, _planned: None,
) -> list[Deleted]:
    """Delete the files of blocks that left the list `grace_ns` ago, a task for each block; return what came of them.

    `progress` gets each result and how many there will be. Raises StoreUnavailable, BrokenLog.
    """
    unread = find_unread(blocks.objects, tenant, lambda: blocks.block_list(tenant), now_ns, grace_ns)
    tasks = [partial(_delete, blocks.objects, block_id, files) for block_id, files in unread.items()]
    return list(_told(run(tasks), len(tasks), progress))


def _told(results: Iterator[Deleted], planned: int, progress: Callable[[Deleted, int], None]) -> Iterator[Deleted]:
    for result in results:
        metrics.DELETED.inc(result.error is None)
        progress(result, planned)
        yield result


def _delete(objects: ObjectStore, block_id: str, files: Sequence[ObjectInfo]) -> Deleted:
    """Delete the files of a block; raises nothing."""
    try:
        delete_block(objects, files)
    except (StorageError, OSError) as error:
        log.warning("the files of block %s could not be deleted: %s", block_id, error)
        return Deleted(block_id, str(error))
    return Deleted(block_id)
