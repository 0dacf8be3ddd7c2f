"""Foreign batches become the OTLP that the OpenTelemetry Collector and Tempo made of them, row by row."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from tempo_dask.ingest.receivers import jaeger_otlp, jaeger_proto, jaeger_thrift
from tempo_dask.ingest.receivers.thrift_wire import BinaryReader, CompactReader

TRANSLATIONS: dict[str, Callable[[bytes], bytes]] = {
    "jaeger-grpc": lambda body: jaeger_otlp.to_otlp(jaeger_proto.read_request(body)),
    "jaeger-thrift-http": lambda body: jaeger_otlp.to_otlp(jaeger_thrift.read_batch(body)),
    "jaeger-thrift-compact": lambda body: jaeger_otlp.to_otlp(jaeger_thrift.read_datagram(CompactReader, body)),
    "jaeger-thrift-binary": lambda body: jaeger_otlp.to_otlp(jaeger_thrift.read_datagram(BinaryReader, body)),
}


def rows(traces: TracesData) -> list[Any]:
    """Return each span with its resource and scope; attributes have no order."""
    return sorted(
        (
            (attributes(resource_spans.resource), scope_spans.scope.name, scope_spans.scope.version, row(span))
            for resource_spans in traces.resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
        ),
        key=repr,
    )


def attributes(owner: Any) -> list[tuple[str, bytes]]:
    return sorted((a.key, a.value.SerializeToString(deterministic=True)) for a in owner.attributes)


def row(span: Span) -> Any:
    plain = Span()
    plain.CopyFrom(span)
    for owner in (plain, *plain.events, *plain.links):
        ordered = sorted(owner.attributes, key=lambda attribute: attribute.key)
        del owner.attributes[:]
        owner.attributes.extend(ordered)
    return json_format.MessageToDict(plain)


def sent_bytes(case: dict[str, Any]) -> bytes:
    sent = case["sent"]
    return base64.b64decode(sent["base64"]) if "base64" in sent else orjson.dumps(sent["json"])


def recorded(case: dict[str, Any]) -> TracesData:
    trace = case["trace"]["trace"]
    return json_format.ParseDict({"resourceSpans": trace.get("resourceSpans", [])}, TracesData())


def cases(shared: Path) -> Iterator[dict[str, Any]]:
    for line in (shared / "conformance" / "translations.jsonl").read_bytes().splitlines():
        yield orjson.loads(line)


@pytest.mark.parametrize("protocol", TRANSLATIONS)
def test_recorded_translations(shared: Path, protocol: str) -> None:
    ours = [case for case in cases(shared) if case["protocol"] == protocol]
    assert ours
    for case in ours:
        made = TracesData.FromString(TRANSLATIONS[protocol](sent_bytes(case)))
        expected = recorded(case)
        assert rows(made) == rows(expected), case["case"]
