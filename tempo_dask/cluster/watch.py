"""Who was asked for something and may be gone: a worker that is killed, hangs, or is cut off.

A connection that breaks says so at once. One that stays open and silent does not, so while anything is asked of a
worker it is pinged; where no answer comes in time, all that it was asked for ends with WorkerLost. To be wrong about a
slow one costs work that is done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

#: Together they bound how long a loss goes unnoticed.
PING_EVERY_S = 0.4
ANSWER_WITHIN_S = 1.2


class WorkerLost(Exception):
    """A worker does not answer any more; what it was asked for may be asked of another."""


@dataclass(slots=True)
class _Watched:
    """What is asked of one worker, and who pings it."""

    calls: set[asyncio.Task[Any]] = field(default_factory=set)
    pinger: asyncio.Task[None] | None = None
    is_lost: bool = False


class Watch:
    """Watches workers as long as something is asked of them. For one event loop."""

    def __init__(self, ping: Callable[[str], Awaitable[object]]) -> None:
        self._ping = ping
        self._watched: dict[str, _Watched] = {}

    async def over(self, address: str, call: Coroutine[Any, Any, T]) -> T:
        """Return what a call to a worker returns. Raises WorkerLost."""
        watched = self._watched.setdefault(address, _Watched())
        task = asyncio.ensure_future(call)
        watched.calls.add(task)
        if watched.pinger is None:
            watched.pinger = asyncio.ensure_future(self._keep_pinging(address, watched))
        try:
            return await task
        except asyncio.CancelledError:
            if watched.is_lost:
                raise WorkerLost(address) from None
            raise
        except OSError as error:
            msg = f"{address}: {error}"
            raise WorkerLost(msg) from error
        finally:
            watched.calls.discard(task)
            if not watched.calls:
                self._forget(address, watched)

    async def answers(self, address: str) -> bool:
        """Return whether a worker answers in time."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._ping(address)
        except (OSError, TimeoutError):
            return False
        return True

    async def _keep_pinging(self, address: str, watched: _Watched) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            if not await self.answers(address):
                watched.is_lost = True
                self._watched.pop(address, None)
                for call in watched.calls:
                    call.cancel()
                return

    def _forget(self, address: str, watched: _Watched) -> None:
        if watched.pinger is not None and not watched.is_lost:
            watched.pinger.cancel()
        if self._watched.get(address) is watched:
            del self._watched[address]
