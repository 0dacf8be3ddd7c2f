"""The search by tags: plain keys and durations as conditions on traces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tempo_dask.engine.requests import SearchRequest
from tempo_dask.engine.tag_keys import WELL_KNOWN
from tempo_dask.plan.tag_nodes import TaggedTraces
from traceql.ast import (
    Attribute,
    AttributeReference,
    BinaryOperation,
    FieldExpression,
    Intrinsic,
    LogicalChain,
    Static,
)
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.operators import BinaryOperator, LogicalOperator
from traceql.types import MAX_INT, StaticType, Status

_MS = 1_000_000
_STATUSES = {status.name.lower(): status for status in Status}
_STATUS_CODE = Attribute(AttributeScope.SPAN, "http.status_code")


def tagged_traces(request: SearchRequest) -> TaggedTraces:
    """Return what traces must carry: well-known keys and durations anywhere, all other keys within one resource."""
    anywhere = [condition for key, value in request.tags if (condition := _well_known(key, value)) is not None]
    together = (_exactly(key, value) for key, value in request.tags if _well_known(key, value) is None)
    return TaggedTraces((*anywhere, *_durations(request)), tuple(together))


def _well_known(key: str, value: str) -> FieldExpression | None:
    """Return what a key means that has a place of its own, None for any other."""
    if key in WELL_KNOWN:
        return _has_part(WELL_KNOWN[key], value)
    if key == "status.code":
        status = _STATUSES.get(value, Status.UNSET)
        return _compare(BinaryOperator.EQUAL, Intrinsic(IntrinsicKind.STATUS), Static(StaticType.STATUS, status))
    if key == "http.status_code" and value.isascii() and value.isdigit():
        return _compare(BinaryOperator.EQUAL, _STATUS_CODE, Static(StaticType.INT, min(int(value[:20]), MAX_INT)))
    return None


def _has_part(attribute: AttributeReference, text: str) -> FieldExpression:
    return _compare(BinaryOperator.REGEX, attribute, Static(StaticType.STRING, f".*{re.escape(text)}.*"))


def _exactly(key: str, value: str) -> FieldExpression:
    """Return where a span or its resource has exactly this text (as an element of an array, too)."""
    text = Static(StaticType.STRING, value)
    scopes = (AttributeScope.RESOURCE, AttributeScope.SPAN)
    return LogicalChain(
        LogicalOperator.OR, tuple(_compare(BinaryOperator.EQUAL, Attribute(scope, key), text) for scope in scopes)
    )


def _durations(request: SearchRequest) -> Iterator[FieldExpression]:
    """Yield the bounds on a trace's duration, in whole milliseconds; none below one."""
    bounds = (
        (BinaryOperator.GREATER_EQUAL, request.min_duration_ns),
        (BinaryOperator.LESS_EQUAL, request.max_duration_ns),
    )
    for op, duration_ns in bounds:
        if duration_ns >= _MS:
            bound = Static(StaticType.DURATION, duration_ns - duration_ns % _MS)
            yield _compare(op, Intrinsic(IntrinsicKind.TRACE_DURATION), bound)


def _compare(op: BinaryOperator, attribute: AttributeReference, value: Static) -> FieldExpression:
    return BinaryOperation(op, attribute, value)
