"""Parts of an answer: joined where several go into one message, halved where one is too large for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from tempo_dask.api.grpc.messages import cut
from tempo_dask.engine.results import KeyValuesResult, RangeResult, SearchResult, TagNamesResult, TagValuesResult

Result = TypeVar("Result")
Values = TypeVar("Values", KeyValuesResult, TagValuesResult)


def join_traces(parts: Sequence[SearchResult]) -> SearchResult:
    """Return the traces of all parts."""
    return replace(parts[-1], traces=tuple(trace for part in parts for trace in part.traces))


def halves_of_traces(result: SearchResult) -> tuple[SearchResult, ...]:
    """Return two results with half of the traces each."""
    return tuple(replace(result, traces=tuple(half)) for half in cut(result.traces))


def join_names(parts: Sequence[TagNamesResult]) -> TagNamesResult:
    """Return the names of all parts."""
    scopes = {scope for part in parts for scope in part.scopes}
    names = {scope: {name for part in parts for name in part.scopes.get(scope, ())} for scope in scopes}
    return replace(parts[-1], scopes={scope: tuple(sorted(of_scope)) for scope, of_scope in names.items()})


def halves_of_names(result: TagNamesResult) -> tuple[TagNamesResult, ...]:
    """Return two results with half of the names each."""
    names = [(scope, name) for scope, of_scope in result.scopes.items() for name in of_scope]
    return tuple(replace(result, scopes=_by_scope(half)) for half in cut(names))


def _by_scope(names: Sequence[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    scopes: dict[str, list[str]] = {}
    for scope, name in names:
        scopes.setdefault(scope, []).append(name)
    return {scope: tuple(of_scope) for scope, of_scope in scopes.items()}


def join_values(parts: Sequence[Values]) -> Values:
    """Return the values of all parts."""
    return replace(parts[-1], values=tuple(value for part in parts for value in part.values))


def halves_of_values(result: Values) -> tuple[Values, ...]:
    """Return two results with half of the values each."""
    return tuple(replace(result, values=tuple(half)) for half in cut(result.values))


def last(parts: Sequence[Result]) -> Result:
    """Of results that grow the last one says all."""
    return parts[-1]


def halves_of_series(result: RangeResult) -> tuple[RangeResult, ...]:
    """Return two results with half of the series each."""
    return tuple(replace(result, series=tuple(half)) for half in cut(result.series))
