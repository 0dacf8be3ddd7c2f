"""How fast the made-up shop makes spans, and how large they are."""

from __future__ import annotations

import time

from tempo_dask.demo.shop import generate

SPANS = 300_000
HOUR_NS = 3_600 * 10**9


def main() -> list[tuple[str, float, str]]:
    """Make the spans once; the journeys are recorded within that time."""
    started = time.perf_counter()
    size = sum(map(len, generate(SPANS, end_ns=1_767_229_200 * 10**9, span_of_time_ns=HOUR_NS)))
    took_s = time.perf_counter() - started
    return [("made", SPANS / took_s, "spans/s"), ("size on the wire", size / SPANS, "bytes/span")]
