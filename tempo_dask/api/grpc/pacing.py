"""Parts of an answer as messages: so many a second at most, however fast parts come or the reader is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

Part = TypeVar("Part")

#: The least time between two messages of a stream.
PERIOD_S = 0.5


async def paced(
    parts: AsyncIterator[Part], join: Callable[[Part, Part], Part], period_s: float = PERIOD_S
) -> AsyncIterator[Part]:
    """Yield parts, joined where several came within a period.

    The parts are taken as they come, also while the reader does not read: a slow reader holds one joined part, and no
    place among the running queries. Whoever stops reading stops the source of the parts.
    """
    held: list[Part] = []

    async def collect() -> None:
        async for part in parts:
            held[:] = [join(held[0], part)] if held else [part]

    collecting = asyncio.ensure_future(collect())
    try:
        while not collecting.done():
            await asyncio.wait([collecting], timeout=period_s)
            if held and not collecting.done():
                yield held.pop()
        await collecting
        if held:
            yield held.pop()
    finally:
        collecting.cancel()
        await asyncio.wait([collecting])
