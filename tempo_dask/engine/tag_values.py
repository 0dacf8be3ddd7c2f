"""Tag values: what spans have under a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias

from tempo_dask.engine.executors import Executor
from tempo_dask.engine.requests import KeyValuesRequest, TagValuesRequest
from tempo_dask.engine.results import KeyValuesResult, QueryMetrics, TagValue, TagValuesResult
from tempo_dask.engine.sources import SnapshotProvider, shards_of
from tempo_dask.engine.tag_conditions import NOTHING, condition_of
from tempo_dask.engine.tag_keys import VIRTUAL_VALUES, attributes_of_key, in_plain_scopes
from tempo_dask.engine.waves import in_turn
from tempo_dask.physical.distinct import type_text, value_text
from tempo_dask.physical.tag_values import ValuesTask, known_values, values_work
from tempo_dask.physical.tags import Tags, fitting_tags
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.build_tags import build_tags
from tempo_dask.plan.nodes import TimeRange
from tempo_dask.plan.tag_nodes import TagValues
from traceql import Matchers, Query, matchers_of
from traceql.ast import AttributeReference, Intrinsic
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.types import Kind, StaticType, Status

_Attributes: TypeAlias = tuple[AttributeReference, ...]
_Planned: TypeAlias = tuple[Tags, PartitionWork[ValuesTask, Tags]]

#: What has no values to list: nobody chooses among ids.
_UNLISTED = frozenset({IntrinsicKind.PARENT, IntrinsicKind.CHILD_COUNT, *(k for k in IntrinsicKind if k.is_id)})
#: What is no single value.
_NO_VALUE = frozenset({StaticType.NIL, StaticType.ATTRIBUTE})


async def find_key_values(request: KeyValuesRequest, sources: SnapshotProvider, executor: Executor) -> KeyValuesResult:
    """Return the values of a plain key in all scopes, and those that clients look for under it."""
    known, work = await _of_key(request, sources)
    return _texts(request, work.combine([known, await executor.run(work)]), with_virtual=True)


async def stream_key_values(
    request: KeyValuesRequest, sources: SnapshotProvider, executor: Executor
) -> AsyncIterator[KeyValuesResult]:
    """Yield the values as they are found, each once; where a limit chooses among them, all at the end."""
    known, work = await _of_key(request, sources)
    told: set[str] = set()
    is_first = True
    async for new in in_turn(known, work, executor, at_once=bool(request.limit)):
        found = _texts(request, new, with_virtual=is_first)
        yield KeyValuesResult(tuple(text for text in found.values if text not in told), found.metrics)
        told.update(found.values)
        is_first = False


async def find_tag_values(request: TagValuesRequest, sources: SnapshotProvider, executor: Executor) -> TagValuesResult:
    """Return the values of an attribute, without a look at spans where that is enough."""
    known, work = await _of_attribute(request, sources)
    return _typed(request, work.combine([known, await executor.run(work)]))


async def stream_tag_values(
    request: TagValuesRequest, sources: SnapshotProvider, executor: Executor
) -> AsyncIterator[TagValuesResult]:
    """Yield the values as they are found, each once; where a limit chooses among them, all at the end."""
    known, work = await _of_attribute(request, sources)
    async for new in in_turn(known, work, executor, at_once=bool(request.limit)):
        yield _typed(request, new)


async def _of_key(request: KeyValuesRequest, sources: SnapshotProvider) -> _Planned:
    return await _planned(request, attributes_of_key(request.key), None, sources)


async def _of_attribute(request: TagValuesRequest, sources: SnapshotProvider) -> _Planned:
    matchers = matchers_of(request.query)
    fixed = _fixed(request.attribute, matchers)
    # Whatever the query says of the asked attribute itself but what it equals is there to be replaced.
    condition = condition_of(matchers.without(request.attribute)) if fixed is None else None
    places = _places(request.attribute) if fixed is None else ()
    known, work = await _planned(request, places, condition, sources)
    return known if fixed is None else fixed, work


def _texts(request: KeyValuesRequest, found: Tags, *, with_virtual: bool) -> KeyValuesResult:
    fitting = fitting_tags(found, max_bytes=request.max_bytes)
    virtual = VIRTUAL_VALUES.get(request.key, ()) if with_virtual else ()
    texts = sorted({text for _, text in fitting}.union(virtual))
    return KeyValuesResult(tuple(texts[: request.limit or None]), QueryMetrics())


def _typed(request: TagValuesRequest, found: Tags) -> TagValuesResult:
    values = (TagValue(type_, text) for type_, text in fitting_tags(found, max_bytes=request.max_bytes))
    return TagValuesResult(tuple(values)[: request.limit or None], QueryMetrics())


def _fixed(attribute: AttributeReference, matchers: Matchers) -> Tags | None:
    """Return the values that hang on the question alone, None where they hang on the spans."""
    if condition_of(matchers) is NOTHING:
        return frozenset()
    operand = matchers.operand_of(attribute)
    if operand is not None and operand.type not in _NO_VALUE and not operand.type.is_array:
        return frozenset({(type_text(operand.type), value_text(operand.type, operand.value))})
    if not isinstance(attribute, Intrinsic) or matchers.without(attribute).conditions:
        return None
    match attribute.kind.type:
        case StaticType.STATUS:
            return _keywords(Status)
        case StaticType.KIND:
            return _keywords(Kind)
        case StaticType.DURATION:
            return frozenset()
        case _:
            return None


def _keywords(known: type[Status | Kind]) -> Tags:
    return frozenset((type_text(StaticType.KIND), member.name.lower()) for member in known)


def _places(attribute: AttributeReference) -> _Attributes:
    """Return where the values of an attribute stand."""
    if isinstance(attribute, Intrinsic):
        return () if attribute.kind in _UNLISTED else (attribute,)
    if attribute.of_parent:
        return ()
    return in_plain_scopes(attribute.name) if attribute.scope is AttributeScope.UNSCOPED else (attribute,)


async def _planned(
    request: KeyValuesRequest | TagValuesRequest,
    attributes: _Attributes,
    condition: Query | None,
    sources: SnapshotProvider,
) -> _Planned:
    """Return what metadata tells, and the work that finds the rest."""
    values = TagValues(attributes)
    plan = build_tags(condition, TimeRange(request.window.start_ns, request.window.end_ns), values)
    shards = await shards_of(sources, request.tenant) if attributes and not plan.is_empty else ()
    known = await asyncio.to_thread(known_values, plan, values, shards)
    return known, await asyncio.to_thread(values_work, plan, values, shards, request.max_bytes)
