"""What is asked about: a made-up shop or recorded files, moved so that they end now, sent to every target alike."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tempo_dask.bench.answers import Unreadable, counts_of
from tempo_dask.bench.shapes import Kind, Shape, Window
from tempo_dask.bench.target import Target
from tempo_dask.demo.shop import generate
from tempo_dask.errors import BadRequest, Unavailable
from tempo_dask.otlp_client import PROTOBUF, ExportRequest
from tempo_dask.recorded import count_spans, read_requests
from tempo_dask.tempo_client import Connection

SECOND_NS = 10**9
HOUR_S = 3_600
#: How often a target is asked whether it has all spans by now.
PAUSE_S = 1.0

_ALL = Shape("spans", Kind.METRICS, "{ } | count_over_time()")


@dataclass(frozen=True, slots=True)
class DataSet:
    """Spans to ask about: `files`, or where there are none so many of a made-up shop; the last one ends at `end_s`."""

    files: tuple[Path, ...]
    spans: int
    end_s: int

    @property
    def name(self) -> str:
        """What results call it."""
        return " ".join(file.name for file in self.files) or f"shop of {self.spans:,} spans"

    def requests(self) -> Iterator[ExportRequest]:
        """Yield it as export requests, `position` in spans. Raises UnreadableFile, BadRequest."""
        sent = 0
        for body in self._bodies():
            spans = count_spans(body)
            sent += spans
            yield ExportRequest(body, spans, f"spans up to {sent:,}", position=sent)

    def window(self) -> Window:
        """Return the time that holds all of it, to whole seconds."""
        if not self.files:
            return Window(self.end_s - HOUR_S, self.end_s)
        first_ns, last_ns = _times(_read(self.files))
        return Window(self.end_s - (last_ns - first_ns) // SECOND_NS - 2, self.end_s)

    def _bodies(self) -> Iterator[bytes]:
        if not self.files:
            yield from generate(self.spans, end_ns=self.end_s * SECOND_NS, span_of_time_ns=HOUR_S * SECOND_NS)
            return
        _, last_ns = _times(_read(self.files))
        for request in _read(self.files):
            yield _moved(request, (self.end_s - 1) * SECOND_NS - last_ns)


def shop(spans: int) -> DataSet:
    """Return an hour of a made-up shop that ends now."""
    return DataSet((), spans, int(time.time()))


def recorded(files: Sequence[Path]) -> DataSet:
    """Return recorded files, moved so that the last span ends now. Raises UnreadableFile, BadRequest."""
    requests = [request for file in files for request in read_requests(file)]
    if any(request.content_type != PROTOBUF for request in requests):
        raise BadRequest("expected files of OTLP as protobuf: spans of JSON are loaded by `tempo-dask load`")
    return DataSet(tuple(files), sum(request.spans for request in requests), int(time.time()))


def visible_spans(target: Target, data: DataSet, wait_s: float) -> int | None:
    """Return how many spans of a set a target counts, waiting for it to have all; None where it cannot count."""
    deadline, window = time.monotonic() + wait_s, data.window()
    with target.connected() as asking:
        while True:
            seen = _count(asking, window)
            if seen is None or seen >= data.spans or time.monotonic() > deadline:
                return seen
            time.sleep(PAUSE_S)


def _count(asking: Connection, window: Window) -> int | None:
    try:
        answer = asking.ask(_ALL.path(window))
        return int(counts_of(_ALL.kind, answer.body)["sum"]) if answer.status == 200 else None
    except (Unavailable, Unreadable):
        return None


def _read(files: Iterable[Path]) -> Iterator[ExportTraceServiceRequest]:
    for file in files:
        yield from (ExportTraceServiceRequest.FromString(request.body) for request in read_requests(file))


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _times(requests: Iterable[ExportTraceServiceRequest]) -> tuple[int, int]:
    """Return when the first span starts and the last ends, nanoseconds since 1970."""
    first_ns, last_ns = 2**63, 0
    for request in requests:
        for span in _spans(request):
            first_ns, last_ns = min(first_ns, span.start_time_unix_nano), max(last_ns, span.end_time_unix_nano)
    if not last_ns:
        raise BadRequest("the recorded files hold no spans")
    return first_ns, last_ns


def _moved(request: ExportTraceServiceRequest, by_ns: int) -> bytes:
    for span in _spans(request):
        span.start_time_unix_nano = max(0, span.start_time_unix_nano + by_ns)
        span.end_time_unix_nano = max(0, span.end_time_unix_nano + by_ns)
        for event in span.events:
            event.time_unix_nano = max(0, event.time_unix_nano + by_ns)
    return request.SerializeToString()
