"""Recorded traces and the counts that plain loops took from them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

#: `{ span.http.status_code = 200 } (int-typed values)` is a query and a remark.
_REMARK = re.compile(r" \([^(]*\)$")


def requests_of(path: Path) -> Iterator[bytes]:
    """Yield the export requests of a length-prefixed container."""
    raw = gzip.decompress(path.read_bytes())
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        yield raw[at + 4 : at + 4 + size]
        at += 4 + size


@dataclass(frozen=True, slots=True)
class Facts:
    """What a recorded file is known to hold."""

    spans: int
    traces: int
    start_s: int
    end_s: int
    matches: dict[str, tuple[int, int]]  # query -> (spans, traces)
    services: dict[str, int]


def facts_of(shared: Path, name: str) -> Facts:
    """Return the counts of one recorded file."""
    facts: dict[str, Any] = json.loads((shared / "data" / "facts.json").read_text())[name]
    return Facts(
        spans=facts["spans"],
        traces=facts["traces"],
        start_s=facts["first start ns"] // 10**9,
        end_s=facts["last end ns"] // 10**9 + 1,
        matches={_REMARK.sub("", q): (m["spans"], m["traces"]) for q, m in facts["matches"].items()},
        services=facts["spans by service"],
    )


def without_most_traces(bodies: Iterable[bytes], every: int) -> Iterator[bytes]:
    """Yield the requests with the spans of about one trace in `every` only, always the same traces."""
    for body in bodies:
        request = ExportTraceServiceRequest.FromString(body)
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                kept = [span for span in scope_spans.spans if int.from_bytes(span.trace_id[-4:]) % every == 0]
                del scope_spans.spans[:]
                scope_spans.spans.extend(kept)
        yield request.SerializeToString()
