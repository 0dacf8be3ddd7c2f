"""Series that topk, bottomk or a comparison leave have exemplars of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import RangeRequest
from tests.engine.recorded import TENANT, Fixed, chunk_of, records

START_NS, STEP_NS = 1_767_225_600 * 10**9, 3600 * 10**9


@pytest.fixture(scope="module")
def layouts(shared: Path) -> Iterator[list[Engine]]:
    """Return engines over the same spans in one chunk and in many units of two."""
    bodies = records(shared / "conformance" / "traces.rec.gz")[:100]
    executor = LocalExecutor(2)
    parts = [chunk_of(bodies[:50], "one", unit_spans=60), chunk_of(bodies[50:], "two", unit_spans=60)]
    yield [Engine(Fixed(chunk_of(bodies)), executor), Engine(Fixed(*parts), executor)]
    executor.close()


@pytest.mark.parametrize("stage", ["", "| bottomk(1)", "| bottomk(2)", "| topk(1)", "< 0.001"])
@pytest.mark.parametrize("function", ["rate()", "quantile_over_time(duration, .5, .9)"])
def test_what_is_left_has_exemplars_of_its_own(layouts: list[Engine], function: str, stage: str) -> None:
    query = f"{{ }} | {function} by (name) {stage}"
    request = RangeRequest(TENANT, query, START_NS, START_NS + STEP_NS, STEP_NS, exemplars=1)
    one, many = (asyncio.run(engine.query_range(request)).series for engine in layouts)
    assert [series.exemplars for series in one] == [series.exemplars for series in many]
    shown = {dict(series.labels)["name"]: exemplar for series in one for exemplar in series.exemplars}
    assert len(shown) == 1 or not one
    assert all(name == dict(exemplar.labels)["name"] for name, exemplar in shown.items())
