"""Spans by OTLP gRPC over 8 connections, acknowledged after fsync, then flushed to blocks.

Run: python -m benchmarks.bench_ingest [SPANS]   (the clients share the machine with the server)
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count, cycle, islice
from multiprocessing import get_context
from pathlib import Path

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tempo_dask.demo.shop import generate
from tempo_dask.recorded import count_spans
from tests.otlp_oracle import read_requests
from tests.serving import ServerProcess

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SPANS = 400_000
CONNECTIONS = 8
LARGEST_REQUEST = 4 << 20
NOW_NS = 1_767_225_600 * 10**9
TICKS = os.sysconf("SC_CLK_TCK")
CHANNEL = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]


@dataclass(frozen=True, slots=True)
class Sent:
    """How sending went: seconds in all, and of each request until its acknowledgement."""

    took_s: float
    waits_s: Sequence[float]
    refused: int

    def wait_ms(self, share: float) -> float:
        """Return the wait that a share of the requests keeps within."""
        ordered = sorted(self.waits_s)
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used: CPU seconds, and memory at its highest."""

    cpu_s: float
    peak_bytes: int


def usage(pid: int) -> Usage:
    """Return what a process has used until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak_kib = int(status.partition("VmHWM:")[2].split()[0])
    return Usage((int(fields[11]) + int(fields[12])) / TICKS, peak_kib << 10)


def requests(spans: int) -> list[bytes]:
    """Return requests with so many spans: recorded ones over and over where they are, else those of the shop."""
    paths = sorted(DATA.glob("*.otlp.pb.gz"))
    shop = generate(spans, end_ns=NOW_NS, span_of_time_ns=3600 * 10**9, seed=1)
    found: list[bytes] = []
    for body in recorded(paths) if paths else shop:
        found.append(body)
        spans -= count_spans(body)
        if spans <= 0:
            break
    return found


def recorded(paths: Sequence[Path]) -> Iterator[bytes]:
    """Yield the requests of some files over and over, each time with traces of their own."""
    for number in count():
        for path in paths:
            for body in read_requests(gzip.decompress(path.read_bytes())):
                if len(body) <= LARGEST_REQUEST:
                    yield renumbered(body, number) if number else body


def renumbered(body: bytes, number: int) -> bytes:
    """Return a request whose traces have other ids."""
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                span.trace_id = number.to_bytes(2, "big") + span.trace_id[2:]
    made: bytes = request.SerializeToString()
    return made


def send(address: str, bodies: Sequence[bytes], per_s: float = 0.0) -> Sent:
    """Send requests over all connections, as fast as they are taken or `per_s` of them; for a process of its own."""
    return asyncio.run(_send(address, bodies, per_s))


async def _send(address: str, bodies: Sequence[bytes], per_s: float) -> Sent:
    waits: list[float] = []
    refused = 0
    started = time.perf_counter()
    numbered = iter(enumerate(bodies))

    async def connection() -> None:
        nonlocal refused
        async with grpc.aio.insecure_channel(address, options=CHANNEL) as channel:
            export = channel.unary_unary(EXPORT)
            for number, body in numbered:
                due = started + number / per_s if per_s else 0.0
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                sent = time.perf_counter()
                try:
                    await export(body, timeout=60)
                except grpc.aio.AioRpcError:
                    refused += 1
                waits.append(time.perf_counter() - max(sent, due))

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return Sent(time.perf_counter() - started, waits, refused)


def main(spans: int = SPANS) -> Iterator[tuple[str, float, str]]:
    """Measure; return what was measured."""
    bodies = requests(spans)
    sent_spans = sum(map(count_spans, bodies))
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder) / "data") as server,
        ProcessPoolExecutor(1, get_context("spawn")) as client,
    ):
        address = server.addresses["otlp_grpc"]
        client.submit(send, address, bodies[:20]).result()  # connections, pages, caches
        server.flush()
        before = usage(server.pid)
        top = client.submit(send, address, bodies).result()
        acknowledged = usage(server.pid)
        server.flush()
        sealed = usage(server.pid)
        half_rate = len(bodies) / top.took_s / 2
        half = client.submit(send, address, list(islice(cycle(bodies), int(half_rate * 10))), half_rate).result()
    yield "spans", sent_spans, ""
    yield "requests refused", top.refused, ""
    yield "acknowledged", sent_spans / top.took_s, "spans/s"
    yield "until acknowledged", (acknowledged.cpu_s - before.cpu_s) / sent_spans * 1e6, "CPU s per million spans"
    yield "until in blocks", (sealed.cpu_s - before.cpu_s) / sent_spans * 1e6, "CPU s per million spans"
    yield "into blocks", sent_spans / (sealed.cpu_s - before.cpu_s), "spans per CPU s"
    yield "peak memory", sealed.peak_bytes / 1e6, "MB"
    yield "p99 acknowledgement at the top", top.wait_ms(0.99), "ms"
    yield "p99 acknowledgement at half the rate", half.wait_ms(0.99), "ms"


if __name__ == "__main__":
    for what, value, unit in main(int(sys.argv[1]) if len(sys.argv) > 1 else SPANS):
        print(f"{what:<40} {value:>12,.1f} {unit}")
