"""A tenant's first spans wait until its log of blocks knows this node, so that an erasure waits for this node too.

Where the store of blocks cannot be reached they wait for a moment only: taking spans needs no more than a local disk,
and `NodeErasure` makes the node known later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from storage.errors import StorageError
from tempo_dask.ingest.commit_group import Check
from tempo_dask.ingest.distributor import Commit

log = logging.getLogger(__name__)

#: How long first spans wait at most.
_WAIT_S = 2.0


class Joining:
    """`push` in front of another one; belongs to one event loop. `join` may block, and raise StorageError."""

    def __init__(self, commit: Commit, check: Check, join: Callable[[str], None]) -> None:
        self._commit = commit
        self._check = check
        self._join = join
        self._joined: dict[str, asyncio.Task[None]] = {}

    async def push(self, tenant: str, body: bytes) -> int:
        """Return how many spans were taken. Raises what the push behind it raises."""
        joined = self._joined.get(tenant)
        if joined is None and self._check([body])[0].spans:  # who sends nothing makes no tenant
            joined = self._joined[tenant] = asyncio.create_task(self._make_known(tenant))
        if joined is not None and not joined.done():
            await asyncio.wait({joined}, timeout=_WAIT_S)
        return await self._commit(tenant, body)

    async def _make_known(self, tenant: str) -> None:
        try:
            await asyncio.to_thread(self._join, tenant)
        except (StorageError, OSError) as error:
            log.warning("an erasure may not wait for this node's spans yet tenant=%s: %s", tenant, error)
