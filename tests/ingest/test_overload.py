"""More than the server can take: memory stays bounded, clients are told to wait, what is acknowledged is there."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import grpc
import grpc.aio
import pytest

from benchmarks.bench_ingest import EXPORT, usage
from tests.ingest.numbered import START_NS, body
from tests.serving import ServerProcess

OVERLOAD_S = 60.0
CLIENTS = 2
CONNECTIONS = 8
SPANS = 500  # a request
#: Requests of each client that are under way: as many as come at once, the next when one is answered.
AT_A_TIME = 64
#: What may be there at once: live spans and requests that wait, a flush, a merge with what it decodes, and a gigabyte
#: that is free and not yet given back. It does not grow with the spans that were sent.
LARGEST_PEAK = 2_500_000_000
TOLD_TO_WAIT = {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
#: Where the status stands that says when to come back.
DETAILS = "grpc-status-details-bin"
PATIENCE_S = 0.05
CHANNEL = [("grpc.use_local_subchannel_pool", 1)]


def flood(address: str, client: int, seconds: float) -> Counter[str]:
    """Send requests of new traces for so long; return how many had which outcome. For a process of its own."""
    return asyncio.run(_flood(address, client, seconds))


async def _flood(address: str, client: int, seconds: float) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    template = body(range(SPANS))
    ends = time.monotonic() + seconds
    number = client << 48

    async def send_on(channel: grpc.aio.Channel) -> None:
        nonlocal number
        export = channel.unary_unary(EXPORT)
        while time.monotonic() < ends:
            number += 1
            # The upper halves of the trace ids: every request has traces of its own.
            renumbered = template.replace(b"\x0a\x10" + bytes(8), b"\x0a\x10" + number.to_bytes(8, "big"))
            try:
                await export(renumbered, timeout=120)
                outcomes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                told = dict(error.trailing_metadata() or ())
                outcomes[error.code().name if DETAILS in told else f"{error.code().name}, not when to return"] += 1
                await asyncio.sleep(PATIENCE_S)

    channels = [grpc.aio.insecure_channel(address, options=CHANNEL) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(send_on(channels[i % CONNECTIONS]) for i in range(AT_A_TIME)))
    for channel in channels:
        await channel.close()
    return outcomes


@pytest.mark.slow
def test_overload(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path / "data") as server,
        ProcessPoolExecutor(CLIENTS, get_context("spawn")) as pool,
    ):
        address = server.addresses["otlp_grpc"]
        floods = [pool.submit(flood, address, client, OVERLOAD_S) for client in range(1, CLIENTS + 1)]
        outcomes = sum((flooding.result() for flooding in floods), Counter())
        assert usage(server.pid).peak_bytes < LARGEST_PEAK
        assert outcomes["OK"] > 100
        assert outcomes.keys() - {"OK"} <= TOLD_TO_WAIT
        assert spans_there(server) == outcomes["OK"] * SPANS
        server.flush()
        assert spans_there(server) == outcomes["OK"] * SPANS


def spans_there(server: ServerProcess) -> int:
    start_s = START_NS // 10**9
    found = server.ask("/api/metrics/query", q="{} | count_over_time()", start=start_s - 60, end=start_s + 60)
    return int(found.json["series"][0]["value"])
