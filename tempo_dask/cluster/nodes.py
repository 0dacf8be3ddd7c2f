"""Which nodes take spans in, and which of them are lost: known to the scheduler, and remembered by who asks.

A node that is gone without a word has live spans that nobody can see until it is back. So it stays in the book, and
answers say that they are partial, until it returns, leaves with all its spans in blocks, or is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from tempo_dask.cluster.link import Link
from tempo_dask.cluster.members import Members

log = logging.getLogger(__name__)

#: Where the scheduler keeps the book: node -> when it was last entered (seconds since 1970), 0 where it left.
BOOK = "tempo-dask-nodes"
POLL_EVERY_S = 1.0
ANSWER_WITHIN_S = 2.0
FORGET_AFTER_S = 3600.0
LEFT = 0.0


class Nodes:
    """The nodes that were ever seen. `lost` may be called by any thread, the coroutines are for the link's loop."""

    def __init__(
        self,
        link: Link,
        members: Members,
        *,
        forget_after_s: float = FORGET_AFTER_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._members = members
        self._forget_after_s = forget_after_s
        self._clock = clock
        self._seen: dict[str, float] = {}  # when each was last there

    def lost(self) -> Mapping[str, str]:
        """Return the nodes that are not there, and why."""
        present = {worker.node for worker in self._members.workers}
        oldest = self._clock() - self._forget_after_s
        why = "it does not answer" if self._members.is_connected else "the scheduler is away"
        return {node: why for node, seen in dict(self._seen).items() if node not in present and seen > oldest}

    async def keep(self) -> None:
        """Look into the book over and over."""
        while True:
            await self.refresh()
            await asyncio.sleep(POLL_EVERY_S)

    async def refresh(self) -> None:
        """Look into the book once."""
        now = self._clock()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                book = await self._link.call(self._members.scheduler, "get_metadata", keys=[BOOK], default={})
        except (OSError, TimeoutError):
            return
        entered = {str(node): float(seen) for node, seen in book.items()}
        present = {worker.node: now for worker in self._members.workers if worker.node}
        kept = {node: seen for node, seen in self._seen.items() if entered.get(node, seen) != LEFT}
        unknown = {node: seen for node, seen in entered.items() if seen != LEFT and node not in kept}
        self._seen = {**kept, **unknown, **present}


async def enter(link: Link, scheduler: str, node: str, *, has_left: bool = False) -> None:
    """Note in the book that a node is there, or that it left with all its spans in blocks. Raises OSError."""
    async with asyncio.timeout(ANSWER_WITHIN_S):
        await link.call(scheduler, "set_metadata", keys=[BOOK, node], value=LEFT if has_left else time.time())
