"""Bounded memory for requests that wait: who finds no room waits his turn, who would wait too long is sent away."""

from __future__ import annotations

import asyncio
from collections import deque

from tempo_dask.errors import Unavailable

#: When a client that found no room should come back: about as long as it takes to write what waits.
COME_BACK_AFTER_S = 1


class Overloaded(Unavailable):
    """More comes in than can be taken; clients are told to come back after `retry_after_s`."""

    retry_after_s = COME_BACK_AFTER_S


class Room:
    """Counts bytes against a capacity, first come first served. Belongs to one event loop.

    Up to `capacity` bytes are in at a time, and up to `queue` bytes more wait; beyond that `enter` refuses.
    A single request larger than the capacity enters when the room is empty.
    """

    def __init__(self, capacity: int, queue: int) -> None:
        self._capacity = capacity
        self._queue = queue
        self._used = 0
        self._waiting_bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Bytes that are in."""
        return self._used

    async def enter(self, size: int) -> None:
        """Wait until `size` bytes have room. Raises Overloaded where too many wait already."""
        if not self._waiting and self._fits(size):
            self._used += size
            return
        if self._waiting_bytes + size > self._queue:
            msg = "too many bytes wait to be written, try again later"
            raise Overloaded(msg)
        await self._wait(size)

    def leave(self, size: int) -> None:
        """Give back what `enter` was given, and let in those who wait."""
        self._used -= size
        self._admit()

    async def _wait(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._waiting_bytes += size
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(size)  # let in and cancelled in the same turn of the loop
            else:
                self._waiting.remove((size, turn))
                self._waiting_bytes -= size
                self._admit()
            raise

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._capacity

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            self._waiting_bytes -= size
            self._used += size
            turn.set_result(None)
