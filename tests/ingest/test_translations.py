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

from tempo_dask.ingest.receivers import (
    jaeger_otlp,
    jaeger_proto,
    jaeger_thrift,
    zipkin_json,
    zipkin_otlp,
    zipkin_proto,
    zipkin_v1,
    zipkin_v1_json,
    zipkin_v1_thrift,
)
from tempo_dask.ingest.receivers.thrift_wire import BinaryReader, CompactReader

TRANSLATIONS: dict[str, Callable[[bytes], bytes]] = {
    "jaeger-grpc": lambda body: jaeger_otlp.to_otlp(jaeger_proto.read_request(body)),
    "jaeger-thrift-http": lambda body: jaeger_otlp.to_otlp(jaeger_thrift.read_batch(body)),
    "jaeger-thrift-compact": lambda body: jaeger_otlp.to_otlp(jaeger_thrift.read_datagram(CompactReader, body)),
    "jaeger-thrift-binary": lambda body: jaeger_otlp.to_otlp(jaeger_thrift.read_datagram(BinaryReader, body)),
    "zipkin-json-v2": lambda body: zipkin_otlp.to_otlp(zipkin_json.read_spans(body)),
    "zipkin-protobuf-v2": lambda body: zipkin_otlp.to_otlp(zipkin_proto.read_spans(body)),
    "zipkin-json-v1": lambda body: zipkin_v1.to_otlp(zipkin_v1_json.read_spans(body)),
    "zipkin-thrift-v1": lambda body: zipkin_v1.to_otlp(zipkin_v1_thrift.read_spans(body)),
}

#: Tempo's default length of an attribute, which is not ours.
TEMPO_CUTS_AT = 2048
#: Recorded as Tempo shows it: it gives the server's half an id of its own when it is asked for.
SHARED_ID = "shared client and server, one id"


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
        for attribute in ordered:
            if len(attribute.value.string_value) > TEMPO_CUTS_AT:
                attribute.value.string_value = attribute.value.string_value[:TEMPO_CUTS_AT]
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
        if case["case"] == SHARED_ID:
            continue
        made = TracesData.FromString(TRANSLATIONS[protocol](sent_bytes(case)))
        expected = recorded(case)
        assert rows(made) == rows(expected), case["case"]


def test_halves_of_a_shared_span_keep_their_id(shared: Path) -> None:
    case = next(case for case in cases(shared) if case["case"] == SHARED_ID)
    made = TracesData.FromString(TRANSLATIONS["zipkin-json-v2"](sent_bytes(case)))
    server, client = (spans.scope_spans[0].spans[0] for spans in made.resource_spans)
    assert server.kind == Span.SPAN_KIND_SERVER
    assert server.span_id == server.parent_span_id == client.span_id
    assert client.parent_span_id == b""
