"""Tag names: which keys spans can be asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tempo_dask.engine.executors import Executor
from tempo_dask.engine.requests import TagNamesRequest
from tempo_dask.engine.results import QueryMetrics, TagNamesResult
from tempo_dask.engine.sources import SnapshotProvider, shards_of
from tempo_dask.engine.tag_conditions import condition_of
from tempo_dask.engine.tag_keys import INTRINSIC_TAGS
from tempo_dask.physical.tag_names import known_names, names_work
from tempo_dask.physical.tags import Tag, fitting_tags
from tempo_dask.plan.build_tags import build_tags
from tempo_dask.plan.nodes import TimeRange
from tempo_dask.plan.tag_nodes import TagNames
from traceql import matchers_of
from traceql.attributes import AttributeScope

_INTRINSIC = "intrinsic"
_EVERY = ("", "none")


async def find_tag_names(request: TagNamesRequest, sources: SnapshotProvider, executor: Executor) -> TagNamesResult:
    """Return the keys of each scope; intrinsics are there whatever the spans are."""
    names = TagNames(_scopes(request.scope))
    window = TimeRange(request.window.start_ns, request.window.end_ns)
    plan = build_tags(condition_of(matchers_of(request.query)), window, names)
    shards = await shards_of(sources, request.tenant) if names.scopes and not plan.is_empty else ()
    known = known_names(plan, names, shards)
    work = names_work(plan, names, shards, known, request.max_bytes)
    found = work.combine([known, await executor.run(work)])
    scopes = _by_scope(fitting_tags(found, max_bytes=request.max_bytes), request.limit)
    if request.scope in (*_EVERY, _INTRINSIC):
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
