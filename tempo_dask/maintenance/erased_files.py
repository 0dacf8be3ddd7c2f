"""Files that hold hidden traces though no list names them: of blocks that left it, and of blocks that never came in."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from storage.block.files import StoredFiles
from storage.block.meta import DESCRIPTION
from storage.block_list import BlockList
from storage.block_store import BlockStore
from storage.errors import StorageError
from storage.hidden import FOLDER
from storage.local_objects import LocalStore
from storage.merge_parts import TraceIds
from storage.object_store import ObjectInfo
from storage.sweep import MAX_PUBLISH_NS, UNLISTED_KEPT_NS, delete_block, is_block_id


def delete_holders(
    blocks: BlockStore, tenant: str, ids: TraceIds, *, now_ns: int, asked_ns: int, grace_ns: int
) -> list[str]:
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
        was_begun_before = max(info.modified_ns for info in files) < asked_ns
        removed_ns = listed.removed.get(block_id)
        if removed_ns is not None:
            free_ns = removed_ns + grace_ns
        elif holds or was_begun_before:
            # Who writes it began before the traces were hidden, so it will never be listed.
            free_ns = asked_ns + grace_ns
        else:
            free_ns = _given_up_ns(files)
        if now_ns >= free_ns:
            delete_block(blocks.objects, files)
            blocks.objects.sync([f"{tenant}/{block_id}"])  # else a power cut could bring its name back
        else:
            waiting = "wait for queries that began before" if holds else "may be in the making"
            waited_for.append(f"the files of block {block_id} {waiting}")
    return waited_for


def delete_drafts(blocks: BlockStore, before_ns: int) -> None:
    """Delete what a store that is a folder has of files that were begun and never got their names."""
    if isinstance(blocks.objects, LocalStore):
        blocks.objects.remove_drafts(before_ns)


def delete_old_ids(blocks: BlockStore, tenant: str, now_ns: int, stored_before_ns: int = 0) -> None:
    """Delete the ids of erasures that are over, and of those that never began though they were stored that early."""
    oldest_ns = max(stored_before_ns, now_ns - UNLISTED_KEPT_NS)
    stored = blocks.hidden_ids.stored(tenant)
    listed = blocks.block_list(tenant) if stored else BlockList()
    for erasure_id, info in stored:
        is_over = erasure_id in listed.removed or info.modified_ns < oldest_ns
        if erasure_id not in listed.hidden and is_over:
            blocks.hidden_ids.delete(tenant, erasure_id)
            blocks.objects.sync([f"{tenant}/{FOLDER}"])


def _given_up_ns(files: Sequence[ObjectInfo]) -> int:
    """Return when nobody can be writing a block any more that cannot be searched."""
    return max(info.modified_ns for info in files) + 2 * MAX_PUBLISH_NS


def _holds(blocks: BlockStore, tenant: str, block_id: str, ids: TraceIds) -> bool | None:
    """Return whether a block holds any of the traces, None where that cannot be told."""
    try:
        block = blocks.block_format.open(StoredFiles(blocks.objects, f"{tenant}/{block_id}"))
        return bool((block.find(ids) >= 0).any())
    except (StorageError, OSError, ValueError, TypeError, KeyError, pa.ArrowException):
        return None
