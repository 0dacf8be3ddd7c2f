"""Many clients at once: mixed questions to a server under load, what it refuses, how long it takes, what memory.

`python -m benchmarks.load_search --seconds 60 --clients 32` starts a server on free ports with a made-up shop's spans,
or takes `--url` of one that runs. Ends with status 1 where an answer is neither 200 nor 429, or where the server it
started took more memory for the questions than the configuration gives to them.
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
from dataclasses import dataclass, field, replace
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
#: What queries may decode at a time, and what is kept of it.
SCAN_BYTES = CACHE_BYTES = 128 << 20
CONFIGURATION = f"querier:\n  scan_memory_bytes: {SCAN_BYTES}\n  column_cache_bytes: {CACHE_BYTES}\n"
#: Beside what is budgeted: threads, answers on their way to 32 clients, what the allocator has not given back.
SLACK_BYTES = 128 << 20
WINDOW = {"start": str(END_NS // 10**9 - 3600), "end": str(END_NS // 10**9)}

#: Answered, or refused because too many wait.
GOOD = frozenset({200, 429})

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a server under load did; the bytes are 0 for a server that runs elsewhere."""

    load: Load
    quiet: Sequence[float]
    seconds: float
    before_bytes: int = 0
    peak_bytes: int = 0

    @property
    def failures(self) -> list[str]:
        """What should not have been."""
        refused = [
            f"{n} answers with status {status}" for status, n in self.load.statuses.items() if status not in GOOD
        ]
        grown = self.peak_bytes - self.before_bytes
        is_over = grown > SCAN_BYTES + CACHE_BYTES + SLACK_BYTES
        return [*refused, *([f"{grown >> 20} MiB taken beyond what the server had before"] if is_over else [])]

    def rows(self) -> Iterator[tuple[str, float, str]]:
        """Yield what to print in a summary."""
        every = [taken for of_path in self.load.seconds.values() for taken in of_path]
        yield "absent attribute over HTTP, one client: median", 1000 * float(np.median(self.quiet)), "ms"
        yield "answers", len(every) / self.seconds, "per second"
        for name, share in (("median", 50), ("p99", 99)):
            yield f"answers: {name}", 1000 * float(np.percentile(every, share)), "ms"
        for status, count in sorted(self.load.statuses.items()):
            yield f"answers with status {status}", count, ""
        if self.peak_bytes:
            yield "memory of the server before", self.before_bytes / 2**20, "MiB"
            yield "memory of the server at most", self.peak_bytes / 2**20, "MiB"


def put_under_load(clients: int, seconds: float, spans: int, url: str = "") -> Outcome:
    """Start a server where none is named, and put it under load."""
    if url:
        return _asked(url, clients, seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configuration = folder / "tempo.yaml"
        configuration.write_text(CONFIGURATION)
        with ServerProcess(folder / "data", "--config", str(configuration)) as server:
            server.load(generate(spans, end_ns=END_NS, span_of_time_ns=HOUR_NS))
            server.flush()
            before = _bytes_of(server.pid, "VmHWM")  # what taking in spans took is the server's own to keep
            asked = _asked(server.url, clients, seconds)
            return replace(asked, before_bytes=before, peak_bytes=_bytes_of(server.pid, "VmHWM"))


def _asked(url: str, clients: int, seconds: float) -> Outcome:
    absent = f"/api/search?{urlencode({**WINDOW, 'q': '{ span.nothing = 1 }'})}"
    quiet = asyncio.run(alone(url, absent))
    return Outcome(asyncio.run(run(url, clients, seconds)), quiet, seconds)


def _bytes_of(pid: int, field_name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field_name)) << 10


def main(clients: int = 32, seconds: float = 10.0, spans: int = SPANS, url: str = "") -> Rows:
    """Put a server under load and return what to print."""
    return list(put_under_load(clients, seconds, spans, url).rows())


def _print() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--spans", type=int, default=SPANS)
    parser.add_argument("--url", default="")
    asked = parser.parse_args()
    outcome = put_under_load(asked.clients, asked.seconds, asked.spans, asked.url)
    for what, value, unit in outcome.rows():
        print(f"{what:50} {value:12,.2f} {unit}")
    if outcome.failures:
        sys.exit("; ".join(outcome.failures))


if __name__ == "__main__":
    _print()
