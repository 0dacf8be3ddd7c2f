"""Recorded traces of real systems, in the forms that Jaeger, Zipkin and OpenTelemetry write, come back whole."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.ingest import thrift_oracle
from tests.ingest.thrift_oracle import jaeger
from tests.serving import ServerProcess

ZIPKIN = ("ascend", "messaging-kafka", "smartthings-mobile-web-install", "smartthings-oauth-authorization", "yelp")
JAEGER = ("hotel-00053253c7f9858d", "media-011ed4f2242e37e3", "node-1059d37f47643940")
REFERENCES = {"CHILD_OF": 0, "FOLLOWS_FROM": 1}


def read(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def send(url: str, body: bytes, content_type: str) -> None:
    with urlopen(Request(url, body, {"Content-Type": content_type}), timeout=300) as answer:
        assert answer.status in (200, 202)


def names_of(server: ServerProcess, trace_id: str) -> Counter[str]:
    """Return how many spans of each name a trace has."""
    return Counter(span.get("name", "") for span in spans_of(server, trace_id))


def spans_of(server: ServerProcess, trace_id: str) -> Iterator[dict[str, Any]]:
    for resource_spans in server.ask(f"/api/v2/traces/{trace_id}").json["trace"]["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            yield from scope_spans["spans"]


@pytest.mark.parametrize("name", ZIPKIN)
def test_zipkin(shared: Path, server: ServerProcess, name: str) -> None:
    spans = read(shared / "data" / "samples" / "zipkin-json" / f"{name}.json.gz")
    send(f"http://{server.addresses['zipkin']}/api/v2/spans", json.dumps(spans).encode(), "application/json")
    for trace_id in {span["traceId"] for span in spans}:
        sent = Counter(span.get("name", "") for span in spans if span["traceId"] == trace_id)
        assert names_of(server, trace_id) == sent


@pytest.mark.parametrize("name", JAEGER)
def test_jaeger(shared: Path, server: ServerProcess, name: str) -> None:
    [trace] = read(shared / "data" / "samples" / "jaeger-json" / f"{name}.json.gz")["data"]
    url = f"http://{server.addresses['jaeger_thrift_http']}/api/traces"
    for process_id, process in trace["processes"].items():
        batch = jaeger.Batch(
            process=jaeger.Process(serviceName=process["serviceName"], tags=list(map(tag, process["tags"]))),
            spans=[span(recorded) for recorded in trace["spans"] if recorded["processID"] == process_id],
        )
        send(url, thrift_oracle.write_batch(batch), "application/x-thrift")
    assert names_of(server, trace["traceID"]) == Counter(recorded["operationName"] for recorded in trace["spans"])
    parents = {
        recorded["spanID"]: recorded["references"][0]["spanID"] for recorded in trace["spans"] if recorded["references"]
    }
    found = {
        base64.b64decode(kept["spanId"]).hex(): base64.b64decode(kept["parentSpanId"]).hex()
        for kept in spans_of(server, trace["traceID"])
        if "parentSpanId" in kept
    }
    assert found == {key.zfill(16): value.zfill(16) for key, value in parents.items()}


def span(recorded: dict[str, Any]) -> Any:
    return jaeger.Span(
        traceIdLow=number(recorded["traceID"][-16:]),
        traceIdHigh=number(recorded["traceID"][:-16] or "0"),
        spanId=number(recorded["spanID"]),
        parentSpanId=0,
        operationName=recorded["operationName"],
        references=[
            jaeger.SpanRef(
                refType=REFERENCES[reference["refType"]],
                traceIdLow=number(reference["traceID"][-16:]),
                traceIdHigh=number(reference["traceID"][:-16] or "0"),
                spanId=number(reference["spanID"]),
            )
            for reference in recorded["references"]
        ],
        flags=recorded.get("flags", 0),
        startTime=recorded["startTime"],
        duration=recorded["duration"],
        tags=list(map(tag, recorded["tags"])),
        logs=[jaeger.Log(timestamp=log["timestamp"], fields=list(map(tag, log["fields"]))) for log in recorded["logs"]],
    )


def tag(recorded: dict[str, Any]) -> Any:
    match recorded["type"]:
        case "bool":
            return jaeger.Tag(key=recorded["key"], vType=2, vBool=recorded["value"])
        case "int64":
            return jaeger.Tag(key=recorded["key"], vType=3, vLong=recorded["value"])
        case "float64":
            return jaeger.Tag(key=recorded["key"], vType=1, vDouble=recorded["value"])
        case _:
            return jaeger.Tag(key=recorded["key"], vType=0, vStr=str(recorded["value"]))


def number(digits: str) -> int:
    """Return an id as Thrift's signed numbers hold it."""
    unsigned = int(digits, 16)
    return unsigned - (1 << 64) if unsigned >> 63 else unsigned


def test_otlp_json(shared: Path, server: ServerProcess) -> None:
    lines = gzip.decompress((shared / "data" / "samples" / "otlp-json" / "essvt.otlp.jsonl.gz").read_bytes()).split(
        b"\n"
    )
    sent: Counter[str] = Counter()
    for line in lines[:50]:
        if line:
            send(f"http://{server.addresses['otlp_http']}/v1/traces", line, "application/json")
            sent.update(
                made["traceId"]
                for resource_spans in json.loads(line)["resourceSpans"]
                for scope_spans in resource_spans["scopeSpans"]
                for made in scope_spans["spans"]
            )
    for trace_id, count in sent.most_common(10):
        assert sum(names_of(server, trace_id).values()) == count
