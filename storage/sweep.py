"""Deleting the files of blocks that no list names and nobody can need any more."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence

from storage.block.meta import DESCRIPTION
from storage.block_list import REMOVED_KEPT_NS, BlockList
from storage.object_store import ObjectInfo, ObjectStore

log = logging.getLogger(__name__)

#: A block must be listed within an hour after its first file was begun; a folder that is not listed and was never
#: removed is left alone for a day, so that clocks may differ by hours.
MAX_PUBLISH_NS = 3600 * 10**9
UNLISTED_KEPT_NS = 24 * 3600 * 10**9


def sweep(
    objects: ObjectStore, tenant: str, read_list: Callable[[], BlockList], now_ns: int, removed_grace_ns: int
) -> list[str]:
    """Delete what crashes left and blocks that left the list `removed_grace_ns` ago; return their ids."""
    unread = find_unread(objects, tenant, read_list, now_ns, removed_grace_ns)
    for files in unread.values():
        delete_block(objects, files)
    if unread:
        log.info("swept %d blocks of tenant %s that no list names", len(unread), tenant)
    return list(unread)


def find_unread(
    objects: ObjectStore, tenant: str, read_list: Callable[[], BlockList], now_ns: int, removed_grace_ns: int
) -> dict[str, Sequence[ObjectInfo]]:
    """Return the files, by block, of what crashes left and of blocks that left the list `removed_grace_ns` ago.

    Readers may use an older list for that long. Folders without `block.json` are not ours and are left out.
    """
    if not 0 <= removed_grace_ns <= REMOVED_KEPT_NS:
        msg = f"expected a grace period of at most {REMOVED_KEPT_NS} ns, got {removed_grace_ns}"
        raise ValueError(msg)
    folders = [name for name in objects.folders(tenant) if is_block_id(name)]
    # Read behind the listing: a block that is published in between is in this list.
    listed = read_list()
    unread: dict[str, Sequence[ObjectInfo]] = {}
    for block_id in folders:
        if block_id in listed.blocks:
            continue
        files = objects.list(f"{tenant}/{block_id}")
        removed_ns = listed.removed.get(block_id)
        free_ns = _newest_ns(files) + UNLISTED_KEPT_NS if removed_ns is None else removed_ns + removed_grace_ns
        if now_ns >= free_ns and any(info.key.endswith(f"/{DESCRIPTION}") for info in files):
            unread[block_id] = files
    return unread


def delete_block(objects: ObjectStore, files: Sequence[ObjectInfo]) -> None:
    """Delete the files of a block, its description last: a crash in between leaves a folder that is still ours."""
    for info in sorted(files, key=lambda info: info.key.endswith(f"/{DESCRIPTION}")):
        objects.delete(info.key)


def _newest_ns(files: Sequence[ObjectInfo]) -> int:
    return max((info.modified_ns for info in files), default=0)


def is_block_id(name: str) -> bool:
    """Return whether a folder may be a block's."""
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
