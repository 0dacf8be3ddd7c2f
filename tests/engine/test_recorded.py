"""The engine answers recorded searches and metrics as Tempo did, from one chunk or from several of small units.

By night: by day a server is asked all cases, and the oracle's tests compare random layouts.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from tempo_dask.api.encode_metrics import encode_query_instant, encode_query_range
from tempo_dask.api.encode_search import encode_search_json
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import RangeRequest, SearchRequest, Window
from tempo_dask.engine.results import QueryMetrics
from tests.engine.recorded import TENANT, Fixed, chunk_of, recorded_cases, records

NS_PER_S = 10**9
UNITS = {"ms": 10**6, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S}
PATHS = ("/api/search", "/api/metrics/query_range", "/api/metrics/query")
GROUPS = (
    "search.all",
    "search.attr",
    "search.intrinsic",
    "search.arith",
    "search.struct",
    "search.pipe",
    "search.hint",
    "metrics.basic",
    "metrics.agg",
    "metrics.quantile",
    "metrics.second",
    "metrics.step",
    "metrics.instant",
    "metrics.hint",
    "metrics.compare",
)

#: Where we differ on purpose, by case: docs/differences.md has the reasons at length.
DIFFERENT = {
    **dict.fromkeys((54, 240, 402), "children are numbered by start, not by arrival"),
    **dict.fromkeys((55, 56), "children are counted in broken traces too"),
    **dict.fromkeys((109, 133, 139), "a span without any attribute lacks this one too"),
    **dict.fromkeys((196, 198), "of nested ancestors each takes part, not the outermost alone"),
    220: "spans without the attribute do not spoil the maximum",
    **dict.fromkeys((422, 503), "sums of every series, not of some"),
    429: "a span without events has no time since its start",
    465: "the attribute that is filtered on is counted once",
    **dict.fromkeys((471, 472), "sampling is a hint, and counting all is exact"),
}


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    found = LocalExecutor(2)
    yield found
    found.close()


@pytest.fixture(scope="module")
def whole(shared: Path, executor: LocalExecutor) -> Engine:
    """Return an engine over all traces in one unit of one chunk."""
    return Engine(Fixed(chunk_of(records(shared / "conformance" / "traces.rec.gz"))), executor)


@pytest.fixture(scope="module")
def scattered(shared: Path, executor: LocalExecutor) -> Engine:
    """Return an engine over the same traces in small units of three chunks; nearly every trace is split."""
    bodies = records(shared / "conformance" / "traces.rec.gz")
    chunks = [chunk_of(bodies[part::3], f"part-{part}", unit_spans=1_000) for part in range(3)]
    return Engine(Fixed(*chunks), executor)


@cache
def check(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("conformance_check", shared / "conformance" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the script leaves closing to the collector
        spec.loader.exec_module(module)
    return module


def answer(engine: Engine, case: dict[str, Any]) -> bytes:
    """Ask what a recorded request asks, decoded by hand, and return the answer but for what it cost."""
    asked = case["params"]
    start, end = (int(asked[name]) * NS_PER_S for name in ("start", "end"))
    if case["path"] == "/api/search":
        limit, spans = int(asked.get("limit", 20)), int(asked.get("spss", 3))
        search = SearchRequest(TENANT, asked["q"], Window(start, end), limit, spans)
        return encode_search_json(replace(asyncio.run(engine.search(search)), metrics=QueryMetrics()))
    if case["path"] == "/api/metrics/query":
        instant = RangeRequest(TENANT, asked["q"], start, end, end - start, exemplars=0)
        return encode_query_instant(replace(asyncio.run(engine.query_range(instant)), metrics=QueryMetrics()))
    step = nanoseconds(asked.get("step", "15s"))
    aligned = RangeRequest(TENANT, asked["q"], start // step * step - step, -(-end // step) * step, step)
    return encode_query_range(replace(asyncio.run(engine.query_range(aligned)), metrics=QueryMetrics()))


def nanoseconds(text: str) -> int:
    parts = re.findall(r"(\d+)(ms|s|m|h)?", text)
    return sum(int(number) * UNITS[unit or "s"] for number, unit in parts)


def cases_of(shared: Path, group: str) -> list[dict[str, Any]]:
    cases = [c for c in recorded_cases(shared, group) if c["group"] == group and c["status"] == 200]
    return [c for c in cases if c["path"] in PATHS and "q" in c["params"]]


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_answers_agree(whole: Engine, shared: Path, group: str) -> None:
    asked = cases_of(shared, group)
    assert asked
    found = {
        case["id"]: check(shared).agrees(case, 200, orjson.loads(answer(whole, case)), "application/json", False)
        for case in asked
    }
    differing = {number: why for number, why in found.items() if why is not None}
    assert differing.keys() == DIFFERENT.keys() & found.keys(), differing


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_the_layout_changes_no_byte(whole: Engine, scattered: Engine, shared: Path, group: str) -> None:
    for case in cases_of(shared, group)[::2]:
        assert answer(scattered, case) == answer(whole, case), case["params"]
