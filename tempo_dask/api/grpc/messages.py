"""How a streamed answer is cut into messages: not too often, and none too large."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import TypeVar

#: A message is sent at most so often, but for the last one.
EVERY_S = 0.5
#: What clients take as a message unless told otherwise.
MAX_BYTES = 4 << 20

Result = TypeVar("Result")


async def paced(
    parts: AsyncIterator[Result], join: Callable[[Sequence[Result]], Result], every_s: float = EVERY_S
) -> AsyncIterator[Result]:
    """Yield parts joined to one for each half second; nothing is read ahead while the receiver is slow."""
    loop = asyncio.get_running_loop()
    gathered: list[Result] = []
    due = loop.time() + every_s
    async with aclosing(parts):  # type: ignore[type-var]  # the engine's streams are generators
        async for part in parts:
            gathered.append(part)
            if loop.time() >= due:
                yield join(gathered)
                gathered = []
                due = loop.time() + every_s
    if gathered:
        yield join(gathered)


def sized(
    result: Result, encode: Callable[[Result], bytes], halves: Callable[[Result], tuple[Result, ...]]
) -> Iterator[bytes]:
    """Yield a result as messages that are not too large; one that cannot be cut is sent as it is."""
    body = encode(result)
    pieces = halves(result) if len(body) > MAX_BYTES else ()
    if not pieces:
        yield body
    for piece in pieces:
        yield from sized(piece, encode, halves)


def cut(items: Sequence[Result]) -> tuple[Sequence[Result], ...]:
    """Return two halves, or nothing where there is nothing to cut."""
    middle = len(items) // 2
    return (items[:middle], items[middle:]) if middle else ()
