"""Many clients at once: mixed questions to a server under load, what it refuses, how long it takes, what memory.

`python -m benchmarks.load_search --seconds 60 --clients 32` starts a server on free ports with a made-up shop's spans,
or takes `--url` of one that runs. Ends with status 1 where an answer is neither 200 nor 429.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from benchmarks.search_shapes import SHAPES
from tempo_dask.demo.shop import generate
from tests.serving import ServerProcess

SPANS = 200_000
END_NS = 1_767_229_200 * 10**9
HOUR_NS = 3_600 * 10**9
WINDOW = {"start": str(END_NS // 10**9 - 3600), "end": str(END_NS // 10**9)}

Rows = list[tuple[str, float, str]]


@dataclass(slots=True)
class Load:
    """What the clients saw: seconds of each answer, by path, and how often which status."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: collections.defaultdict(list))
    statuses: collections.Counter[int] = field(default_factory=collections.Counter)


def questions() -> list[str]:
    """Return the paths that clients ask for."""
    searches = [f"/api/search?{urlencode({**WINDOW, 'q': shape.query})}" for shape in SHAPES]
    filtered = urlencode({**WINDOW, "q": "{ status = error }"})
    rate = urlencode({**WINDOW, "q": "{ status = error } | rate() by (resource.service.name)", "step": "60s"})
    others = [
        f"/api/v2/search/tags?{urlencode(WINDOW)}",
        f"/api/v2/search/tag/span.http.route/values?{filtered}",
        f"/api/metrics/query_range?{rate}",
    ]
    return [*searches, *others]


async def run(url: str, clients: int, seconds: float) -> Load:
    """Let the clients ask one question after another, each in an order of its own."""
    load, http = Load(), AsyncHTTPClient(force_instance=True, max_clients=clients)
    ends = time.monotonic() + seconds

    async def client(number: int) -> None:
        chosen = random.Random(number)
        asked = questions()
        while time.monotonic() < ends:
            path = chosen.choice(asked)
            started = time.perf_counter()
            answer = await http.fetch(HTTPRequest(url + path, request_timeout=120), raise_error=False)
            load.seconds[path].append(time.perf_counter() - started)
            load.statuses[answer.code] += 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    http.close()
    return load


async def alone(url: str, path: str, times: int = 200) -> list[float]:
    """Return the seconds of one client that asks the same again and again."""
    http = AsyncHTTPClient(force_instance=True)
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        await http.fetch(url + path)
        taken.append(time.perf_counter() - started)
    http.close()
    return taken


def main(clients: int = 32, seconds: float = 10.0, spans: int = SPANS, url: str = "") -> Rows:
    """Start a server where none is named, and put it under load."""
    with ExitStack() as stack:
        pid = 0
        if not url:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = stack.enter_context(ServerProcess(folder / "data"))
            server.load(generate(spans, end_ns=END_NS, span_of_time_ns=HOUR_NS))
            server.flush()
            url, pid = server.url, server.pid
        absent = f"/api/search?{urlencode({**WINDOW, 'q': '{ span.nothing = 1 }'})}"
        quiet = asyncio.run(alone(url, absent))
        load = asyncio.run(run(url, clients, seconds))
        return list(_rows(load, quiet, seconds, pid))


def _rows(load: Load, quiet: Sequence[float], seconds: float, pid: int) -> Iterator[tuple[str, float, str]]:
    every = [taken for of_path in load.seconds.values() for taken in of_path]
    yield "absent attribute over HTTP, one client: median", 1000 * float(np.median(quiet)), "ms"
    yield "answers", len(every) / seconds, "per second"
    for name, share in (("median", 50), ("p99", 99)):
        yield f"answers: {name}", 1000 * float(np.percentile(every, share)), "ms"
    for status, count in sorted(load.statuses.items()):
        yield f"answers with status {status}", count, ""
    if pid:
        yield "peak memory of the server", _peak_kib(pid) / 1024, "MiB"


def _peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _print() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--spans", type=int, default=SPANS)
    parser.add_argument("--url", default="")
    asked = parser.parse_args()
    rows = main(asked.clients, asked.seconds, asked.spans, asked.url)
    for what, value, unit in rows:
        print(f"{what:50} {value:12,.2f} {unit}")
    if any(what.startswith("answers with status") and what[-3:] not in {"200", "429"} for what, _, _ in rows):
        sys.exit(1)


if __name__ == "__main__":
    _print()
