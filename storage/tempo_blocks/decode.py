"""Traces as Tempo nests them (resources, scopes, spans, events, links) to span tables.

Each level is a list column; flattened, its rows are the table's rows, and the parents of its elements are numbers:

    rs        [[r0, r1], [r2]]            traces of resources      trace of r:    0 0 1
    .ss       [[s0], [s1, s2], [s3]]      resources of scopes      resource of s: 0 1 1 2
    .Spans    [[a, b], [c], [], [d]]      scopes of spans          scope of a..d: 0 0 1 3

Not stored by Tempo, and so empty here: schema urls, flags of spans and links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from storage.arrays import single_chunk
from storage.columns import (
    EVENT_FIELDS,
    LINK_FIELDS,
    RESOURCE_FIELDS,
    SCOPE_FIELDS,
    SPAN_FIELDS,
    SPAN_ID,
    STRING,
    TIME,
    TRACE_ID,
    Scope,
    SpanTables,
)
from storage.tempo_blocks.meta import DedicatedColumn
from storage.tempo_blocks.shred import shred
from storage.tempo_blocks.values import TypedValues, column_values, listed_values

Rows = npt.NDArray[np.int64]

#: Columns of a fixed attribute, in vParquet3 and 4.
STATIC_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "resource": {
        "ServiceName": "service.name",
        "Cluster": "cluster",
        "Namespace": "namespace",
        "Pod": "pod",
        "Container": "container",
        "K8sClusterName": "k8s.cluster.name",
        "K8sNamespaceName": "k8s.namespace.name",
        "K8sPodName": "k8s.pod.name",
        "K8sContainerName": "k8s.container.name",
    },
    "span": {"HttpMethod": "http.method", "HttpUrl": "http.url", "HttpStatusCode": "http.status_code"},
}


def decode_traces(traces: pa.Table, dedicated: Sequence[DedicatedColumn]) -> SpanTables:
    """Return the spans of a table of traces in file order, unsorted. Raises ArrowInvalid, KeyError, ValueError."""
    resources, trace_of_resource = _flatten(single_chunk(traces.column("rs")))
    scopes, resource_of_scope = _flatten(resources.field("ss"))
    spans, scope_of_span = _flatten(scopes.field("Spans"))
    trace_of_span = trace_of_resource[resource_of_scope[scope_of_span]]
    trace_ids = single_chunk(traces.column("TraceID")).cast(TRACE_ID).take(pa.array(trace_of_span))
    starts = spans.field("StartTimeUnixNano").to_numpy()
    return SpanTables(
        spans=_spans(spans, trace_ids, starts, resource_of_scope[scope_of_span], scope_of_span, dedicated),
        resources=_resources(resources.field("Resource"), dedicated),
        scopes=_scopes(scopes.field("Scope")),
        events=_events(spans.field("Events"), starts, dedicated),
        links=_links(spans.field("Links")),
    )


def _flatten(lists: pa.ListArray) -> tuple[pa.StructArray, Rows]:
    """Return the elements of a list column, and in which row each of them stands."""
    return lists.flatten(), pc.list_parent_indices(lists).to_numpy()


def _spans(
    spans: pa.StructArray,
    trace_ids: pa.Array,
    starts: npt.NDArray[np.uint64],
    resource: Rows,
    scope: Rows,
    dedicated: Sequence[DedicatedColumn],
) -> pa.Table:
    own = {
        "trace_id": trace_ids,
        "span_id": spans.field("SpanID").cast(SPAN_ID),
        "parent_span_id": _id(spans.field("ParentSpanID"), SPAN_ID),
        "start": _times(starts),
        "duration_ns": spans.field("DurationNano").view(pa.int64()),
        "name": _strings(spans, "Name"),
        "kind": spans.field("Kind").cast(pa.int32()),
        "status": spans.field("StatusCode").cast(pa.int32()),
        "status_message": _strings(spans, "StatusMessage"),
        "trace_state": _strings(spans, "TraceState"),
        "flags": _zeros(len(spans)),
        "dropped_attributes": _count(spans, "DroppedAttributesCount"),
        "dropped_events": _count(spans, "DroppedEventsCount"),
        "dropped_links": _count(spans, "DroppedLinksCount"),
        "resource": pa.array(resource.astype(np.uint32)),
        "scope": pa.array(scope.astype(np.uint32)),
    }
    return _table(SPAN_FIELDS, own, "span", _attributes(spans, "span", dedicated))


def _resources(resources: pa.StructArray, dedicated: Sequence[DedicatedColumn]) -> pa.Table:
    own = {
        "schema_url": _empty_strings(len(resources)),
        "dropped_attributes": _count(resources, "DroppedAttributesCount"),
    }
    return _table(RESOURCE_FIELDS, own, "resource", _attributes(resources, "resource", dedicated))


def _scopes(scopes: pa.StructArray) -> pa.Table:
    own = {
        "name": _strings(scopes, "Name"),
        "version": _strings(scopes, "Version"),
        "schema_url": _empty_strings(len(scopes)),
        "dropped_attributes": _count(scopes, "DroppedAttributesCount"),
    }
    return _table(SCOPE_FIELDS, own, "instrumentation", _attributes(scopes, "instrumentation", ()))


def _events(lists: pa.ListArray, starts: npt.NDArray[np.uint64], dedicated: Sequence[DedicatedColumn]) -> pa.Table:
    events, span = _flatten(lists)
    if _has(events, "TimeSinceStartNano"):
        times = starts[span] + events.field("TimeSinceStartNano").to_numpy()  # modulo 2**64, as it was written
    else:
        times = events.field("TimeUnixNano").to_numpy()
    own = {
        "span": pa.array(span.astype(np.uint32)),
        "time": _times(times),
        "name": _strings(events, "Name"),
        "dropped_attributes": _count(events, "DroppedAttributesCount"),
    }
    return _table(EVENT_FIELDS, own, "event", _attributes(events, "event", dedicated))


def _links(lists: pa.Array) -> pa.Table:
    if not pa.types.is_list(lists.type):
        lists = _links_from_wire(lists)
    links, span = _flatten(lists)
    own = {
        "span": pa.array(span.astype(np.uint32)),
        "trace_id": _id(links.field("TraceID"), TRACE_ID),
        "span_id": _id(links.field("SpanID"), SPAN_ID),
        "trace_state": _strings(links, "TraceState"),
        "flags": _count(links, "Flags"),
        "dropped_attributes": _count(links, "DroppedAttributesCount"),
    }
    return _table(LINK_FIELDS, own, "link", _attributes(links, "link", ()))


_WIRE_LINK = pa.struct(
    [
        ("TraceID", pa.binary()),
        ("SpanID", pa.binary()),
        ("TraceState", pa.string()),
        ("Flags", pa.uint32()),
        ("DroppedAttributesCount", pa.uint32()),
        ("Attrs", pa.list_(pa.struct([("Key", pa.string()), ("Value", pa.binary())]))),
    ]
)


def _links_from_wire(encoded: pa.BinaryArray) -> pa.ListArray:
    """Read vParquet3's links: a message whose field 1 repeats, in which `Span.links` has another number.

    Few spans have links, so a loop over those that do may do.
    """
    lists: list[list[dict[str, Any]]] = [[] for _ in range(len(encoded))]
    for row in np.flatnonzero(pc.binary_length(encoded).fill_null(0).to_numpy() > 0).tolist():
        lists[row] = [_wire_link(link) for link in _repeated_links(encoded[row].as_py())]
    return pa.array(lists, pa.list_(_WIRE_LINK))


def _repeated_links(message: bytes) -> list[WireSpan.Link]:
    """Return the links of a message in whose field 1 they stand."""
    links = []
    at = 0
    while at < len(message):
        size = shift = 0
        tag, at = message[at], at + 1
        if tag != 0x0A:
            msg = f"expected links, found the tag {tag}"
            raise ValueError(msg)
        while True:
            octet, at = message[at], at + 1
            size |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                break
        links.append(WireSpan.Link.FromString(message[at : at + size]))
        at += size
    return links


def _wire_link(link: WireSpan.Link) -> dict[str, Any]:
    return {
        "TraceID": link.trace_id,
        "SpanID": link.span_id,
        "TraceState": link.trace_state,
        "Flags": link.flags,
        "DroppedAttributesCount": link.dropped_attributes_count,
        "Attrs": [{"Key": pair.key, "Value": pair.value.SerializeToString()} for pair in link.attributes],
    }


def _attributes(rows: pa.StructArray, scope: str, dedicated: Sequence[DedicatedColumn]) -> Sequence[TypedValues]:
    """Return all attributes of the rows: those listed, and those that have a column."""
    parts = list(listed_values(rows.field("Attrs"))) if _has(rows, "Attrs") else []
    for column, key in STATIC_COLUMNS.get(scope, {}).items():
        if _has(rows, column):
            parts += column_values(key, _or_null(rows.field(column)) if column == "ServiceName" else rows.field(column))
    for each in dedicated:
        if each.scope == scope:
            column = rows.field("DedicatedAttributes").field(each.column)
            parts += column_values(each.key, column, holds_arrays=each.holds_arrays)
    return parts


def _table(
    fields: Sequence[pa.Field], own: Mapping[str, pa.Array], scope: Scope, attributes: Sequence[TypedValues]
) -> pa.Table:
    rows = len(next(iter(own.values())))
    columns = shred(scope, rows, attributes)
    schema = [*fields, *(pa.field(name, array.type) for name, array in columns.items())]
    return pa.Table.from_arrays([*(own[f.name] for f in fields), *columns.values()], schema=pa.schema(schema))


def _has(rows: pa.StructArray, field: str) -> bool:
    return bool(rows.type.get_field_index(field) >= 0)


def _strings(rows: pa.StructArray, field: str) -> pa.DictionaryArray:
    if not _has(rows, field):
        return _empty_strings(len(rows))
    return rows.field(field).fill_null("").dictionary_encode().cast(STRING)


def _empty_strings(count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([""]))


def _zeros(count: int) -> pa.Array:
    return pa.array(np.zeros(count, np.uint32))


def _count(rows: pa.StructArray, field: str) -> pa.Array:
    return rows.field(field).view(pa.uint32()) if _has(rows, field) else _zeros(len(rows))


def _times(ns: npt.NDArray[np.uint64]) -> pa.Array:
    return pa.array(ns.view(np.int64)).view(TIME)


def _id(ids: pa.BinaryArray, type_: pa.DataType) -> pa.Array:
    """Return ids, null where they are empty or all zero."""
    absent = pc.or_(pc.equal(pc.binary_length(ids), 0), pc.equal(ids, pa.scalar(bytes(type_.byte_width), ids.type)))
    return pc.if_else(absent, pa.scalar(None, ids.type), ids).cast(type_)


def _or_null(names: pa.StringArray) -> pa.StringArray:
    """Return service names, null where there is none."""
    return pc.if_else(pc.equal(names, ""), pa.scalar(None, names.type), names)
