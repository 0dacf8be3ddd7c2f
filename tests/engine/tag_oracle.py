"""Tags by a slow, obvious look at plain spans: what names, values and searches by tags must give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tempo_dask.engine.requests import Window
from tests import oracle
from tests.oracle_spans import Attributes, Span, Trace, traces_of
from traceql import Query
from traceql.ast import Attribute, AttributeReference, Intrinsic
from traceql.attributes import AttributeScope, IntrinsicKind

Tag = tuple[str, str]


def chosen(spans: Sequence[Span], condition: Query | None, window: Window) -> list[tuple[Trace, Span]]:
    """Return the spans for which a condition holds, of traces in the window."""
    inside = [span for trace in traces_of(spans).values() if _overlaps(trace, window) for span in trace.spans]
    if condition is None:
        return [(trace, span) for trace in traces_of(inside).values() for span in trace.spans]
    return [
        (found.trace, found.trace.spans[place])
        for found in oracle.search(condition, inside).values()
        for spanset in found.spansets
        for place in spanset.places
    ]


def names_of(spans: Sequence[tuple[Trace, Span]]) -> dict[str, set[str]]:
    """Return the keys by scope."""
    found: dict[str, set[str]] = {}
    for _, span in spans:
        for scope in AttributeScope:
            keys = {key for attributes in _attributes(span, scope) for key in attributes}
            if keys and scope is not AttributeScope.UNSCOPED:
                found.setdefault(scope.value, set()).update(keys)
    return found


def values_of(spans: Sequence[tuple[Trace, Span]], attribute: AttributeReference) -> set[Tag]:
    """Return types and texts."""
    if isinstance(attribute, Attribute):
        return {
            tag
            for _, span in spans
            for attributes in _attributes(span, attribute.scope)
            if attribute.name in attributes
            for tag in _texts(attributes[attribute.name])
        }
    return {("string", text) for trace, span in spans for text in _intrinsic(trace, span, attribute)}


def _attributes(span: Span, scope: AttributeScope) -> list[Attributes]:
    match scope:
        case AttributeScope.SPAN:
            return [span.attributes]
        case AttributeScope.RESOURCE:
            return [span.resource]
        case AttributeScope.INSTRUMENTATION:
            return [span.scope_attributes]
        case AttributeScope.EVENT:
            return [event.attributes for event in span.events]
        case AttributeScope.LINK:
            return [link.attributes for link in span.links]
        case AttributeScope.UNSCOPED:
            return [span.attributes, span.resource, span.scope_attributes]


def _texts(value: object) -> Iterator[Tag]:
    match value:
        case bool():
            yield "bool", str(value).lower()
        case str():
            yield "string", value
        case int() | float():
            yield type(value).__name__, str(value)
        case list():
            for item in value:
                yield from _texts(item)


def _intrinsic(trace: Trace, span: Span, attribute: Intrinsic) -> list[str]:
    match attribute.kind:
        case IntrinsicKind.NAME:
            return [span.name]
        case IntrinsicKind.STATUS_MESSAGE:
            return [span.status_message]
        case IntrinsicKind.TRACE_ROOT_NAME:
            return [trace.root_name]
        case IntrinsicKind.INSTRUMENTATION_NAME:
            return [span.scope_name]
        case IntrinsicKind.EVENT_NAME:
            return [event.name for event in span.events]
    raise NotImplementedError(attribute)


def traces_with(spans: Sequence[Span], tags: Mapping[str, str], shortest_ms: int, longest_ms: int) -> set[str]:
    """Return the traces that carry all tags; `a` and `b` are the keys of no known place."""
    return {
        trace_id
        for trace_id, trace in traces_of(spans).items()
        if all(_carries(trace, key, value) for key, value in tags.items() if key not in ("a", "b"))
        and _in_one_resource(trace, {key: value for key, value in tags.items() if key in ("a", "b")})
        and shortest_ms * 1_000_000 <= trace.duration_ns <= (longest_ms or 2**62) * 1_000_000
    }


def _carries(trace: Trace, key: str, value: str) -> bool:
    match key:
        case "name":
            return any(value in span.name for span in trace.spans)
        case "root.name":
            return value in trace.root_name
        case "service.name":
            return any(value in str(span.resource.get("service.name", "")) for span in trace.spans)
        case "status.code":
            return any(span.status.name.lower() == value for span in trace.spans)
    raise NotImplementedError(key)


def _in_one_resource(trace: Trace, tags: Mapping[str, str]) -> bool:
    batches: dict[str, list[Span]] = {}
    for span in trace.spans:
        batches.setdefault(repr(sorted(span.resource.items())), []).append(span)
    return any(
        all(any(_has(span, key, value) for span in batch) for key, value in tags.items()) for batch in batches.values()
    )


def _has(span: Span, key: str, value: str) -> bool:
    found = (attributes[key] for attributes in (span.attributes, span.resource) if key in attributes)
    return any(value == has or (isinstance(has, list) and value in has) for has in found)


def _overlaps(trace: Trace, window: Window) -> bool:
    return trace.start_ns <= window.end_ns and trace.start_ns + trace.duration_ns >= window.start_ns
