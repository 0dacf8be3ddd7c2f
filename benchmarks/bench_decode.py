"""How many spans a second are checked and decoded on one core, against upb and a Python loop.

Run: python -m benchmarks.bench_decode
"""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks import upb_loop
from tempo_dask.kernels import otlp
from tests.otlp_oracle import read_requests

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RECORDINGS = ("astronomy-shop", "hipster-shop")
SIZES = (100, 1_000, 10_000)
SPANS = 20_000  # of each source
REPEATS = 9
LINE = "{:<16} {:>10} {:>14} {:>14} {:>14} {:>9}"


def sources() -> Iterator[tuple[str, list[bytes]]]:
    """Yield the requests to decode: recorded ones where they are, else generated ones."""
    paths = {name: DATA / f"{name}.otlp.pb.gz" for name in RECORDINGS}
    found = False
    for name, path in paths.items():
        if path.exists():
            found = True
            yield name, split(read_requests(gzip.decompress(path.read_bytes())))
    if not found:
        yield "generated", split([generated(seed) for seed in range(200)])


def split(bodies: Sequence[bytes]) -> list[bytes]:
    """Return requests of one ResourceSpans each, so that calls come close to their size; at most `SPANS` spans."""
    parts: list[bytes] = []
    spans = 0
    for body in bodies:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            parts.append(ExportTraceServiceRequest(resource_spans=[resource_spans]).SerializeToString())
            spans += sum(len(scope_spans.spans) for scope_spans in resource_spans.scope_spans)
            if spans >= SPANS:
                return parts
    return parts


def generated(seed: int) -> bytes:
    """Return a request of 100 spans with eight attributes each."""
    choice = random.Random(seed)
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = f"service-{seed % 10}"
    spans = resource_spans.scope_spans.add().spans
    for number in range(100):
        start = (1_700_000_000 + number) * 1_000_000_000
        span = spans.add(trace_id=choice.randbytes(16), span_id=choice.randbytes(8), name=f"GET /{number % 7}")
        span.start_time_unix_nano, span.end_time_unix_nano = start, start + choice.randrange(10**9)
        for key in ("http.method", "http.url", "net.peer.name", "user.agent", "db.statement"):
            span.attributes.add(key=key).value.string_value = f"{key} is {choice.randrange(50)}"
        for key in ("http.status_code", "net.peer.port", "thread.id"):
            span.attributes.add(key=key).value.int_value = choice.randrange(600)
    return bytes(request.SerializeToString())


def grouped(bodies: Sequence[bytes], size: int) -> list[tuple[list[bytes], int]]:
    """Return the requests in calls of about `size` spans, with the number of spans of each."""
    calls: list[tuple[list[bytes], int]] = []
    call: list[bytes] = []
    spans = 0
    for body, verdict in zip(bodies, otlp.check(bodies), strict=True):
        call.append(body)
        spans += verdict.spans
        if spans >= size:
            calls.append((call, spans))
            call, spans = [], 0
    return calls or [(call, spans)]


def rate(function: Callable[[list[bytes]], object], calls: Sequence[tuple[list[bytes], int]], repeats: int) -> float:
    """Return million spans a second of processor time, the best of some repeats of each call."""
    best = [float("inf")] * len(calls)
    for _ in range(repeats):
        for number, (bodies, _spans) in enumerate(calls):
            start = time.thread_time()
            function(bodies)
            best[number] = min(best[number], time.thread_time() - start)
    return sum(spans for _, spans in calls) / sum(best) / 1e6


def main() -> list[tuple[str, str, str]]:
    rows = []
    print(LINE.format("M spans/s", "spans/call", "check", "decode", "upb + loop", "ratio"))
    for name, bodies in sources():
        for size in SIZES:
            calls = grouped(bodies, size)
            some = calls[: max(1, 5_000 // size)]
            check, decode = (rate(function, calls, REPEATS) for function in (otlp.check, otlp.decode))
            loop = rate(upb_loop.decode, some, 2)
            numbers = (f"{check:.2f}", f"{decode:.2f}", f"{loop:.3f}", f"{decode / loop:.0f}x")
            print(LINE.format(name, size, *numbers))
        rows.append((f"decode {name}, {size} spans a call", f"{decode:.2f}", "M spans/s"))
        rows.append((f"  against upb and a loop ({loop:.3f} M spans/s)", f"{decode / loop:.0f}", "times"))
    return rows


if __name__ == "__main__":
    main()
