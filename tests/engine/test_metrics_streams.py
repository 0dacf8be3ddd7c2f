"""Metrics in parts: the newest intervals come first, nothing is taken back, and the last part is the whole answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.engine.results import RangeResult
from tests.engine.recorded import TENANT, Fixed, chunk_of, records

START_NS, STEP_NS = 1_767_225_600 * 10**9, 60 * 10**9
QUERIES = (
    "{ } | rate()",
    "{ status = error } | count_over_time() by (name) | topk(2)",
    "{ } | quantile_over_time(duration, .9) by (resource.service.name)",
    "{ } | quantile_over_time(duration, .9) with (exact=true)",
    "{ } | compare({ status = error })",
    "({ status = error } | rate()) / ({ } | rate())",
    "{ span.no = 1 } | rate()",
    "{ false } | rate()",
)


@pytest.fixture(scope="module")
def engine(shared: Path) -> Iterator[Engine]:
    """Return an engine over traces in some twenty units of two chunks, a few of them split."""
    bodies = records(shared / "conformance" / "traces.rec.gz")[:200]
    executor = LocalExecutor(2)
    chunks = [chunk_of(bodies[:120], "one", unit_spans=60), chunk_of(bodies[110:], "two", unit_spans=60)]
    yield Engine(Fixed(*chunks), executor)
    executor.close()


def asked(query: str) -> RangeRequest:
    return RangeRequest(TENANT, query, START_NS, START_NS + 60 * STEP_NS, STEP_NS)


def told(engine: Engine, request: RangeRequest) -> list[RangeResult]:
    async def collect() -> list[RangeResult]:
        return [part async for part in engine.stream_range(request)]

    return asyncio.run(collect())


def samples(result: RangeResult) -> dict[tuple[object, int], float]:
    return {
        (series.labels, place): float(series.values[place])
        for series in result.series
        for place in np.flatnonzero(~np.isnan(series.values)).tolist()
    }


@pytest.mark.parametrize("query", QUERIES)
def test_parts_are_never_taken_back_and_the_last_is_whole(engine: Engine, query: str) -> None:
    parts, whole = told(engine, asked(query)), asyncio.run(engine.query_range(asked(query)))
    assert samples(parts[-1]) == samples(whole)
    assert [one.exemplars for one in parts[-1].series] == [one.exemplars for one in whole.series]
    known: dict[tuple[object, int], float] = {}
    for part in parts:
        found = samples(part)
        assert "compare" in query or known.items() <= found.items()  # the most frequent values change
        known = found


def test_no_series_is_told_that_the_whole_answer_leaves_out(engine: Engine) -> None:
    request = replace(asked("{ } | rate() by (name)"), max_series=3)
    *parts, last = told(engine, request)
    whole = asyncio.run(engine.query_range(request))
    assert (len(parts) > 1, {len(part.series) for part in parts}) == (True, {0})
    assert samples(last) == samples(whole)
    assert (len(last.series), last.message) == (3, whole.message)
    assert parts[0].metrics.inspected_spans < last.metrics.inspected_spans


def test_the_newest_intervals_come_before_all_is_scanned(engine: Engine) -> None:
    parts = told(engine, asked("{ } | rate()"))
    firsts = [min(place for _, place in samples(part)) for part in parts]
    assert len(parts) > 2
    assert firsts == sorted(firsts, reverse=True)
    assert firsts[-1] == 0
