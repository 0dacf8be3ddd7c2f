"""Who may run: so many queries at a time, the tenants in turn, and memory for what they decode."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tempo_dask.errors import TooManyRequests


@dataclass(slots=True)
class Admission:
    """Lets `running` queries in; of each tenant `waiting` more may wait, the tenants have their turns one by one.

    For one event loop at a time.
    """

    running: int = 32
    waiting: int = 2000
    _inside: int = 0
    _queues: OrderedDict[str, deque[asyncio.Future[None]]] = field(default_factory=OrderedDict)

    @asynccontextmanager
    async def slot(self, tenant: str) -> AsyncIterator[None]:
        """Hold a place while the body runs. Raises TooManyRequests where too many of the tenant wait already."""
        if self._inside < self.running and not self._queues:
            self._inside += 1
        else:
            await self._wait(tenant)
        try:
            yield
        finally:
            self._leave()

    async def _wait(self, tenant: str) -> None:
        queue = self._queues.setdefault(tenant, deque())
        if len(queue) >= self.waiting:
            msg = "job queue full"
            raise TooManyRequests(msg)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had just been let in
                self._leave()
            elif turn in queue:
                queue.remove(turn)
                self._drop_if_empty(tenant, queue)
            raise

    def _leave(self) -> None:
        """Give the place to whoever waits longest of the tenant whose turn it is."""
        self._inside -= 1
        while self._queues and self._inside < self.running:
            tenant, queue = next(iter(self._queues.items()))
            turn = queue.popleft()
            self._queues.move_to_end(tenant)
            self._drop_if_empty(tenant, queue)
            if not turn.done():
                self._inside += 1
                turn.set_result(None)

    def _drop_if_empty(self, tenant: str, queue: deque[asyncio.Future[None]]) -> None:
        if not queue:
            self._queues.pop(tenant, None)


@dataclass(slots=True)
class MemoryBudget:
    """Bytes for what running tasks decode, given out first come first served.

    What asks for more than there is gets all of it, alone.
    """

    budget_bytes: int = 1 << 30
    _used_bytes: int = 0
    _waiting: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)

    @asynccontextmanager
    async def reserve(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold so many bytes while the body runs."""
        wanted = min(size_bytes, self.budget_bytes)
        if self._waiting or self._used_bytes + wanted > self.budget_bytes:
            await self._wait(wanted)
        else:
            self._used_bytes += wanted
        try:
            yield
        finally:
            self._used_bytes -= wanted
            self._give()

    async def _wait(self, wanted: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._used_bytes -= wanted
            self._give()
            raise

    def _give(self) -> None:
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done():
                if self._used_bytes + wanted > self.budget_bytes:
                    return
                self._used_bytes += wanted
                turn.set_result(None)
            self._waiting.popleft()
