"""How a streamed answer is cut into messages: not too often, and none too large."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import TypeVar

#: A message is sent at most so often, but for the last one.
EVERY_S = 0.5
#: What clients take as a message unless told otherwise.
MAX_BYTES = 4 << 20

Result = TypeVar("Result")


async def paced(
    parts: AsyncIterator[Result], join: Callable[[Sequence[Result]], Result], every_s: float = EVERY_S
) -> AsyncGenerator[Result, None]:
    """Yield what has come in each half second, joined.

    Parts are taken as they come, also while the receiver is slow: it then holds back nothing but its own answer, and
    no place among the running queries. Whoever stops receiving stops the source of the parts.
    """
    gathered: list[Result] = []

    async def gather() -> None:
        async for part in parts:
            gathered[:] = [join([*gathered, part])]

    gathering = asyncio.ensure_future(gather())
    try:
        while not gathering.done():
            await asyncio.wait([gathering], timeout=every_s)
            if gathered and not gathering.done():
                yield gathered.pop()
        await gathering
        if gathered:
            yield gathered.pop()
    finally:
        gathering.cancel()
        await asyncio.gather(gathering, return_exceptions=True)


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
