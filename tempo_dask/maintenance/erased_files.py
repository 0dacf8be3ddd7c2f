"""Files that hold hidden traces though no list names them: of blocks that left it, and of blocks that never came in."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from storage.block.files import StoredFiles
from storage.block.meta import DESCRIPTION
from storage.block_list import BlockList
from storage.block_store import BlockStore
from storage.errors import StorageError
from storage.merge_parts import TraceIds
from storage.object_store import ObjectInfo
from storage.sweep import MAX_PUBLISH_NS, UNLISTED_KEPT_NS, delete_block, is_block_id


def delete_holders(blocks: BlockStore, tenant: str, ids: TraceIds, now_ns: int, grace_ns: int) -> list[str]:
    """Delete blocks that no list names and that hold any of the hidden traces; return why some are still there."""
    folders = [name for name in blocks.objects.folders(tenant) if is_block_id(name)]
    listed = blocks.block_list(tenant)  # behind the listing: a block that was published in between is in it
    waited_for = []
    for block_id in folders:
        files = blocks.objects.list(f"{tenant}/{block_id}")
        is_ours = any(info.key.endswith(f"/{DESCRIPTION}") for info in files)
        if block_id in listed.blocks or not is_ours:
            continue
        holds = _holds(blocks, tenant, block_id, ids)
        if holds is False:
            continue
        if now_ns >= _free_ns(listed, block_id, files, grace_ns, is_sure=bool(holds)):
            delete_block(blocks.objects, files)
        else:
            waited_for.append(f"the files of block {block_id} wait for queries that began before")
    return waited_for


def delete_old_ids(blocks: BlockStore, tenant: str, now_ns: int) -> None:
    """Delete the ids of erasures that are over, and of those that never began."""
    stored = blocks.hidden_ids.stored(tenant)
    listed = blocks.block_list(tenant) if stored else BlockList()
    for erasure_id, info in stored:
        is_over = erasure_id in listed.removed or now_ns >= info.modified_ns + UNLISTED_KEPT_NS
        if erasure_id not in listed.hidden and is_over:
            blocks.hidden_ids.delete(tenant, erasure_id)


def _free_ns(listed: BlockList, block_id: str, files: Sequence[ObjectInfo], grace_ns: int, *, is_sure: bool) -> int:
    """Return when the files may go."""
    removed_ns = listed.removed.get(block_id)
    if removed_ns is not None:
        return removed_ns + grace_ns
    # Who writes a block that holds hidden traces began before they were hidden, so it will never be listed. One that
    # cannot be searched may be in the making still.
    return 0 if is_sure else max(info.modified_ns for info in files) + 2 * MAX_PUBLISH_NS


def _holds(blocks: BlockStore, tenant: str, block_id: str, ids: TraceIds) -> bool | None:
    """Return whether a block holds any of the traces, None where that cannot be told."""
    try:
        block = blocks.block_format.open(StoredFiles(blocks.objects, f"{tenant}/{block_id}"))
        return bool((block.find(ids) >= 0).any())
    except (StorageError, OSError, ValueError, TypeError, KeyError, pa.ArrowException):
        return None
