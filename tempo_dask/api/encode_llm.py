"""One trace in the shape for language models: hex ids, bare values, by service, nothing that is empty."""

from __future__ import annotations

from typing import Any

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tempo_dask.api.encode_otlp import JSON, OtlpForm
from tempo_dask.api.encode_trace import resource_spans
from tempo_dask.api.encode_values import Tree, json_double
from tempo_dask.engine.results import TraceResult


def encode_trace_llm(result: TraceResult) -> bytes:
    """Return a trace that is known in few words, else `{}`."""
    if result.tables is None or not result.tables.spans.num_rows:
        return b"{}"
    services = [_service(found) for found in resource_spans(result.tables, _FORM)]
    trace_id = result.tables.spans.column("trace_id")[0].as_py().hex()
    read = result.metrics.inspected_bytes
    metrics = {"inspectedBytes": read} if read else {}
    return orjson.dumps({"trace": {"traceId": trace_id, "services": services}, "metrics": metrics})


def _service(found: Tree) -> Tree:
    attributes = _attributes(found["resource"], "resource")
    scopes = [_scope(scope) for scope in found["scopeSpans"]]
    name = attributes.get("resource", {}).get("service.name", "")
    return {"serviceName": name, **attributes, "scopes": scopes}


def _scope(found: Tree) -> Tree:
    named = {name: found["scope"][name] for name in ("name", "version") if name in found["scope"]}
    return {**named, "spans": [_span(span) for span in found["spans"]]}


def _span(span: Tree) -> Tree:
    start, end = int(span.get("startTimeUnixNano", 0)), int(span.get("endTimeUnixNano", 0))
    shown = ("spanId", "name", "parentSpanId", "kind", "startTimeUnixNano", "endTimeUnixNano")
    tree = {name: span[name] for name in shown if name in span}
    tree["durationMs"] = (end - start) / 1e6
    tree |= _attributes(span, "attributes")
    for name, fields in (("events", ("name", "timeUnixNano")), ("links", ("traceId", "spanId"))):
        if name in span:
            tree[name] = [_child(child, fields) for child in span[name]]
    return tree | {"status": {"code": "STATUS_CODE_UNSET"} | span["status"]}


def _child(child: Tree, fields: tuple[str, ...]) -> Tree:
    return {name: child[name] for name in fields if name in child} | _attributes(child, "attributes")


def _attributes(message: Tree, name: str) -> Tree:
    return {name: dict(message["attributes"])} if "attributes" in message else {}


def _bare(key: str, kind: str, value: Any) -> tuple[str, Any]:
    if kind == "other":
        return key, _bare_any(AnyValue.FromString(value))
    if kind == "float":
        return key, json_double(value)
    return key, [json_double(item) for item in value] if kind == "float[]" else value


def _bare_any(value: AnyValue) -> Any:
    """Return a value of any depth as JSON's own."""
    match value.WhichOneof("value"):
        case "array_value":
            return [_bare_any(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _bare_any(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return JSON.id(value.bytes_value)
        case "double_value":
            return json_double(value.double_value)
        case None:
            return None
        case field:
            return getattr(value, field)


_FORM = OtlpForm(JSON.message, bytes.hex, JSON.long, JSON.kind, JSON.status, _bare)
