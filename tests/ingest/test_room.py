"""Room is given first come first served, and never beyond the capacity."""

from __future__ import annotations

import asyncio

import pytest

from tempo_dask.errors import Unavailable
from tempo_dask.ingest.room import Room


async def test_who_finds_no_room_waits_in_order() -> None:
    room = Room(100, 1000)
    await room.enter(60)
    order: list[int] = []

    async def enter(size: int) -> None:
        await room.enter(size)
        order.append(size)

    tasks = [asyncio.create_task(enter(size)) for size in (90, 10, 20)]
    await asyncio.sleep(0)
    assert order == []  # 10 and 20 would fit, but 90 came first
    room.leave(60)
    await asyncio.sleep(0)
    assert order == [90, 10]
    assert room.used == 100
    room.leave(90)
    await asyncio.gather(*tasks)
    assert order == [90, 10, 20]


async def test_a_giant_enters_an_empty_room() -> None:
    room = Room(10, 0)
    await room.enter(500)
    with pytest.raises(Unavailable):
        await room.enter(1)
    room.leave(500)
    await room.enter(1)


@pytest.mark.parametrize("let_in_first", [True, False])
async def test_who_gives_up_waiting_leaves_nothing_behind(let_in_first: bool) -> None:
    room = Room(10, 100)
    await room.enter(10)
    waiting = asyncio.create_task(room.enter(10))
    await asyncio.sleep(0)
    if let_in_first:
        room.leave(10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    if not let_in_first:
        room.leave(10)
    assert room.used == 0
    await room.enter(10)
