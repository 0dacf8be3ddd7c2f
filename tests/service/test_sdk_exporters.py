"""What the OpenTelemetry SDK sends comes back as it was made."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, format_trace_id

from tests.serving import ServerProcess


@pytest.fixture(params=["grpc", "grpc gzip", "http", "http gzip"])
def exporter(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[SpanExporter]:
    transport, _, compression = request.param.partition(" ")
    exporter: SpanExporter
    if transport == "grpc":
        exporter = GrpcExporter(server.addresses["otlp_grpc"], insecure=True, compression=grpc_compression(compression))
    else:
        exporter = HttpExporter(
            f"http://{server.addresses['otlp_http']}/v1/traces",
            compression=Compression.Gzip if compression else Compression.NoCompression,
        )
    yield exporter
    exporter.shutdown()


def grpc_compression(name: str) -> Any:
    return grpc.Compression.Gzip if name else grpc.Compression.NoCompression


def make_trace() -> list[ReadableSpan]:
    """Make a trace with the SDK as an application does."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop", "replicas": 3}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("tests", "1.2", attributes={"a": 1})
    with tracer.start_as_current_span(
        "root", kind=SpanKind.SERVER, attributes={"http.route": "/buy", "ok": True}
    ) as root:
        root.add_event("cart", {"items": 3})
        with tracer.start_as_current_span("child", links=[Link(root.get_span_context(), {"why": "test"})]) as child:
            child.set_attribute("sizes", [1, 2, 3])
            child.set_status(Status(StatusCode.ERROR, "out of stock"))
    return list(memory.get_finished_spans())


def test_a_trace_comes_back(server: ServerProcess, exporter: SpanExporter) -> None:
    spans = make_trace()
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    context = spans[0].context
    assert context is not None
    trace = server.ask(f"/api/v2/traces/{format_trace_id(context.trace_id)}").json["trace"]
    assert len(trace["resourceSpans"]) == 1
    [resource_spans] = trace["resourceSpans"]
    assert attributes(resource_spans["resource"])["service.name"] == {"stringValue": "shop"}
    assert attributes(resource_spans["resource"])["replicas"] == {"intValue": "3"}
    [scope_spans] = resource_spans["scopeSpans"]
    assert (scope_spans["scope"]["name"], scope_spans["scope"]["version"]) == ("tests", "1.2")
    found = {span["name"]: span for span in scope_spans["spans"]}
    assert found.keys() == {"root", "child"}
    root, child = found["root"], found["child"]
    made = {span.name: span for span in spans}
    for name, span in found.items():
        assert int(span["startTimeUnixNano"]) == made[name].start_time
        assert int(span["endTimeUnixNano"]) == made[name].end_time
    assert child["parentSpanId"] == root["spanId"]
    assert attributes(root) == {"http.route": {"stringValue": "/buy"}, "ok": {"boolValue": True}}
    assert child["status"] == {"message": "out of stock", "code": "STATUS_CODE_ERROR"}
    assert root["events"][0]["name"] == "cart"
    assert attributes(root["events"][0]) == {"items": {"intValue": "3"}}
    assert base64.b64decode(child["links"][0]["spanId"]) == base64.b64decode(root["spanId"])
    assert attributes(child["links"][0]) == {"why": {"stringValue": "test"}}


def attributes(owner: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in owner["attributes"]}
