"""Tag names: which keys spans can be asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping

from tempo_dask.engine.executors import Executor
from tempo_dask.engine.requests import TagNamesRequest
from tempo_dask.engine.results import QueryMetrics, TagNamesResult
from tempo_dask.engine.sources import SnapshotProvider, shards_of
from tempo_dask.engine.tag_conditions import condition_of
from tempo_dask.engine.tag_keys import INTRINSIC_TAGS
from tempo_dask.engine.waves import in_turn
from tempo_dask.physical.tag_names import NamesTask, known_names, names_work
from tempo_dask.physical.tags import Tag, Tags, fitting_tags
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.build_tags import build_tags
from tempo_dask.plan.nodes import TimeRange
from tempo_dask.plan.tag_nodes import TagNames
from traceql import matchers_of
from traceql.attributes import AttributeScope

_INTRINSIC = "intrinsic"
_EVERY = ("", "none")


async def find_tag_names(request: TagNamesRequest, sources: SnapshotProvider, executor: Executor) -> TagNamesResult:
    """Return the keys of each scope; intrinsics are there whatever the spans are."""
    known, work = await _planned(request, sources)
    return _result(request, work.combine([known, await executor.run(work)]), with_intrinsics=True)


async def stream_tag_names(
    request: TagNamesRequest, sources: SnapshotProvider, executor: Executor
) -> AsyncIterator[TagNamesResult]:
    """Yield the keys as they are found, each once; where a limit chooses among them, all at the end."""
    known, work = await _planned(request, sources)
    is_first = True
    async for new in in_turn(known, work, executor, at_once=bool(request.limit)):
        yield _result(request, new, with_intrinsics=is_first)
        is_first = False


async def _planned(request: TagNamesRequest, sources: SnapshotProvider) -> tuple[Tags, PartitionWork[NamesTask, Tags]]:
    """Return what metadata tells, and the work that finds the rest."""
    names = TagNames(_scopes(request.scope))
    window = TimeRange(request.window.start_ns, request.window.end_ns)
    plan = build_tags(condition_of(matchers_of(request.query)), window, names)
    shards = await shards_of(sources, request.tenant) if names.scopes and not plan.is_empty else ()
    known = await asyncio.to_thread(known_names, plan, names, shards)
    return known, await asyncio.to_thread(names_work, plan, names, shards, known, request.max_bytes)


def _result(request: TagNamesRequest, found: Tags, *, with_intrinsics: bool) -> TagNamesResult:
    scopes = _by_scope(fitting_tags(found, max_bytes=request.max_bytes), request.limit)
    if with_intrinsics and request.scope in (*_EVERY, _INTRINSIC):
        scopes = {**scopes, _INTRINSIC: INTRINSIC_TAGS}
    return TagNamesResult(scopes, QueryMetrics())


def _scopes(scope: str) -> tuple[AttributeScope, ...]:
    return tuple(
        known
        for known in AttributeScope
        if known is not AttributeScope.UNSCOPED and (scope in _EVERY or scope == known.value)
    )


def _by_scope(found: Iterable[Tag], limit: int) -> Mapping[str, tuple[str, ...]]:
    """Return the first `limit` keys of each scope (0: all)."""
    keys: dict[str, list[str]] = {}
    for scope, key in found:
        keys.setdefault(scope, []).append(key)
    return {scope: tuple(of_scope[: limit or None]) for scope, of_scope in keys.items()}
