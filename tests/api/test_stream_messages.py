"""How streamed answers are cut: paced, sized, and nothing told twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from tempo_dask.api.grpc import messages
from tempo_dask.api.grpc.messages import cut, paced, sized
from tempo_dask.api.grpc.untold import Untold
from tempo_dask.engine.results import QueryMetrics, RangeResult, Series

NAN = float("nan")


async def parts_of(count: int) -> AsyncIterator[tuple[int, ...]]:
    for number in range(count):
        yield (number,)


def joined(parts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(number for part in parts for number in part)


async def test_what_comes_quickly_is_one_message() -> None:
    assert [part async for part in paced(parts_of(5), joined)] == [(0, 1, 2, 3, 4)]


async def test_what_comes_slowly_is_sent_as_it_comes() -> None:
    assert [part async for part in paced(parts_of(3), joined, every_s=0)] == [(0,), (1,), (2,)]


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
