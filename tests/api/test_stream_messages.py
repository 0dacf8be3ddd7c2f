"""How streamed answers are cut: paced, sized, and nothing told twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from tempo_dask.api.grpc import messages
from tempo_dask.api.grpc.messages import cut, paced, sized
from tempo_dask.api.grpc.untold import Untold
from tempo_dask.engine.results import QueryMetrics, RangeResult, Series
from tempo_dask.errors import QueryFailed

NAN = float("nan")


async def parts_of(count: int) -> AsyncIterator[tuple[int, ...]]:
    for number in range(count):
        yield (number,)


def joined(parts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(number for part in parts for number in part)


async def test_what_comes_quickly_is_one_message() -> None:
    assert [part async for part in paced(parts_of(5), joined)] == [(0, 1, 2, 3, 4)]


async def test_what_comes_slowly_is_sent_as_it_comes() -> None:
    async def slow() -> AsyncIterator[tuple[int, ...]]:
        async for part in parts_of(3):
            yield part
            await asyncio.sleep(0.1)

    assert [part async for part in paced(slow(), joined, every_s=0.02)] == [(0,), (1,), (2,)]


async def test_parts_are_taken_while_the_receiver_is_slow() -> None:
    """What the parts come from is free again, whenever the receiver goes on."""
    ended = asyncio.Event()

    async def parts() -> AsyncIterator[tuple[int, ...]]:
        async for part in parts_of(4):
            yield part
            await asyncio.sleep(0.01)
        ended.set()

    stream = paced(parts(), joined, every_s=0.001)
    first = await anext(stream)
    await asyncio.wait_for(ended.wait(), 60)
    assert first + await anext(stream) == (0, 1, 2, 3)
    await stream.aclose()


async def test_the_source_ends_when_nobody_receives() -> None:
    cancelled = asyncio.Event()

    async def parts() -> AsyncIterator[tuple[int, ...]]:
        yield (0,)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    stream = paced(parts(), joined, every_s=0.001)
    await anext(stream)
    await stream.aclose()
    assert cancelled.is_set()


async def test_an_error_ends_the_stream_after_what_came_before() -> None:
    async def parts() -> AsyncIterator[tuple[int, ...]]:
        yield (0,)
        await asyncio.sleep(0.02)
        raise QueryFailed("no more")

    stream = paced(parts(), joined, every_s=0.001)
    assert await anext(stream) == (0,)
    with pytest.raises(QueryFailed):
        await anext(stream)


async def test_nothing_found_is_a_message_where_the_stream_says_so() -> None:
    assert [part async for part in paced(parts_of(0), joined)] == []


def test_large_messages_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_BYTES", 4)
    pieces = list(sized(bytes(range(10)), lambda piece: bytes(piece), lambda piece: tuple(map(bytes, cut(piece)))))
    assert b"".join(pieces) == bytes(range(10))
    assert max(map(len, pieces)) <= 4


def test_what_cannot_be_cut_is_sent_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_BYTES", 0)
    assert list(sized(b"a", lambda piece: piece, lambda piece: tuple(map(bytes, cut(piece))))) == [b"a"]


def told(untold: Untold, **series: list[float]) -> dict[str, list[float]]:
    """Return what a result of some series has that is new."""
    found = tuple(Series((("a", name),), np.array(values)) for name, values in series.items())
    result = untold.of(RangeResult(np.arange(3), found, QueryMetrics()))
    return {str(one.labels[0][1]): one.values.tolist() for one in result.series}


def test_no_sample_is_told_twice() -> None:
    untold = Untold()
    first = told(untold, x=[NAN, NAN, 3.0])
    second = told(untold, x=[NAN, 2.0, 3.0], y=[NAN, 0.0, 0.0])
    third = told(untold, x=[1.0, 2.0, 3.0], y=[4.0, 0.0, 0.0])
    assert repr(first) == repr({"x": [NAN, NAN, 3.0]})
    assert repr(second) == repr({"x": [NAN, 2.0, NAN], "y": [NAN, 0.0, 0.0]})
    assert repr(third) == repr({"x": [1.0, NAN, NAN], "y": [4.0, NAN, NAN]})
    assert told(untold, x=[1.0, 2.0, 3.0]) == {}


def test_labels_that_python_takes_for_equal_are_not() -> None:
    untold = Untold()
    series = tuple(Series((("a", value),), np.array([1.0])) for value in (1, 1.0, True))
    found = untold.of(RangeResult(np.arange(1), series, QueryMetrics()))
    assert [one.values.tolist() for one in found.series] == [[1.0], [1.0], [1.0]]
