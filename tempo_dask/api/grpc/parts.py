"""Results of streaming verbs as parts of an answer: joined where several go into one message, halved where one is
too large for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from tempo_dask.engine.results import (
    KeyValuesResult,
    RangeResult,
    SearchResult,
    Series,
    TagNamesResult,
    TagValuesResult,
)

Result = TypeVar("Result")

#: What clients take in one message is 4 MiB, unless they are told otherwise.
MAX_MESSAGE_BYTES = (4 << 20) - (64 << 10)


def join_searches(first: SearchResult, second: SearchResult) -> SearchResult:
    """Return both parts' traces."""
    return replace(second, traces=first.traces + second.traces)


def join_names(first: TagNamesResult, second: TagNamesResult) -> TagNamesResult:
    """Return both parts' names."""
    scopes = {
        scope: (*first.scopes.get(scope, ()), *second.scopes.get(scope, ()))
        for scope in first.scopes.keys() | second.scopes.keys()
    }
    return replace(second, scopes=scopes)


def join_keys(first: KeyValuesResult, second: KeyValuesResult) -> KeyValuesResult:
    """Return both parts' values."""
    return replace(second, values=first.values + second.values)


def join_values(first: TagValuesResult, second: TagValuesResult) -> TagValuesResult:
    """Return both parts' values."""
    return replace(second, values=first.values + second.values)


def join_ranges(_first: RangeResult, second: RangeResult) -> RangeResult:
    """Return the later result, which has all samples of the one before."""
    return second


def halved_search(result: SearchResult) -> tuple[SearchResult, ...]:
    """Return two halves, none where there is one trace."""
    middle = len(result.traces) // 2
    halves = (result.traces[:middle], result.traces[middle:])
    return tuple(replace(result, traces=half) for half in halves) if middle else ()


def halved_names(result: TagNamesResult) -> tuple[TagNamesResult, ...]:
    """Return two halves, none where there is one name."""
    names = [(scope, name) for scope, of_scope in result.scopes.items() for name in of_scope]
    middle = len(names) // 2
    halves = (names[:middle], names[middle:])
    return tuple(replace(result, scopes=_by_scope(half)) for half in halves) if middle else ()


def halved_keys(result: KeyValuesResult) -> tuple[KeyValuesResult, ...]:
    """Return two halves, none where there is one value."""
    middle = len(result.values) // 2
    halves = (result.values[:middle], result.values[middle:])
    return tuple(replace(result, values=half) for half in halves) if middle else ()


def halved_values(result: TagValuesResult) -> tuple[TagValuesResult, ...]:
    """Return two halves, none where there is one value."""
    middle = len(result.values) // 2
    halves = (result.values[:middle], result.values[middle:])
    return tuple(replace(result, values=half) for half in halves) if middle else ()


def halved_range(result: RangeResult) -> tuple[RangeResult, ...]:
    """Return two halves, of the series, or of the time where there is one series."""
    middle = len(result.series) // 2
    if middle:
        halves = (result.series[:middle], result.series[middle:])
        return tuple(replace(result, series=half) for half in halves)
    return _halved_times(result)


def messages_of(
    result: Result,
    encode: Callable[[Result], bytes],
    halved: Callable[[Result], tuple[Result, ...]],
    max_bytes: int = MAX_MESSAGE_BYTES,
) -> Iterator[bytes]:
    """Yield a result as messages that are not too large; what cannot be halved goes as it is."""
    message = encode(result)
    halves = halved(result) if len(message) > max_bytes else ()
    if not halves:
        yield message
    for half in halves:
        yield from messages_of(half, encode, halved, max_bytes)


def without_told(result: RangeResult, told: dict[tuple[object, ...], RangeSamples]) -> RangeResult:
    """Return a result without the samples that were told with the same value, and note those it has."""
    return replace(result, series=tuple(_news(one, told) for one in result.series))
