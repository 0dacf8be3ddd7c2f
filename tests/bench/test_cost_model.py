"""The model of costs: its laws, whatever the costs; that a fit finds them; and what was measured."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scaling_report import DOCUMENT, Measurements, tables
from tempo_dask.bench.cost_model import (
    UNIT_SPANS,
    CostModel,
    Layout,
    Overhead,
    QueryCost,
    Run,
    fit,
    fit_overhead,
    least_costs,
    typical_error,
)

COSTS = st.floats(0, 1e-2)
OVERHEADS = st.builds(Overhead, *(COSTS for _ in range(4)))
QUERIES = st.builds(QueryCost, COSTS, st.floats(1e-10, 1e-7), st.floats(0, 1e-8), st.floats(0, 1e-8), COSTS)
MODELS = st.builds(lambda overhead, query: CostModel(overhead, {"q": query}), OVERHEADS, QUERIES)
SPANS = st.integers(1, 10**12)
WORKERS = st.integers(1, 1_000)
THREADS = st.integers(1, 8)


@given(MODELS, SPANS, SPANS, WORKERS, THREADS)
def test_more_spans_never_take_less(model: CostModel, one: int, other: int, workers: int, threads: int) -> None:
    fewer, more = sorted((one, other))
    assert model.seconds("q", Layout.of(fewer, workers, threads)) <= model.seconds(
        "q", Layout.of(more, workers, threads)
    )


@given(MODELS, SPANS, st.integers(2, 999))
def test_more_workers_never_scan_longer(model: CostModel, spans: int, workers: int) -> None:
    """What more workers cost is dispatch and joining; planning is the same."""
    few, many = (model.parts("q", Layout.of(spans, count)) for count in (workers, workers + 1))
    assert many.scan_s <= few.scan_s
    assert many.plan_s == few.plan_s
    assert many.dispatch_s >= few.dispatch_s
    assert many.join_s >= few.join_s


@given(MODELS, SPANS, WORKERS)
def test_nothing_scales_better_than_evenly(model: CostModel, spans: int, workers: int) -> None:
    alone, together = (model.parts("q", Layout(spans, count, 1, 0)).scan_s for count in (1, workers))
    assert together >= alone / workers * (1 - 1e-9)


@given(MODELS, st.integers(1, 500), st.integers(1, 100), st.integers(2, 10))
def test_as_many_times_the_spans_and_workers_scan_as_long(
    model: CostModel, each: int, workers: int, times: int
) -> None:
    layout = Layout(each * workers * UNIT_SPANS, workers, 1, 1)
    larger = Layout(times * layout.spans, times * workers, 1, 1)
    assert model.parts("q", larger).scan_s == pytest.approx(model.parts("q", layout).scan_s)


@given(MODELS, SPANS)
def test_a_process_alone_dispatches_nothing(model: CostModel, spans: int) -> None:
    parts = model.parts("q", Layout(spans, 0, 2, 0))
    assert (parts.dispatch_s, parts.join_s) == (0, 0)
    assert parts.total_s == parts.plan_s + parts.scan_s


def test_units_are_whole() -> None:
    layout = Layout(5 * UNIT_SPANS, 2, 1, 1)
    assert (layout.units, layout.lanes, layout.shares) == (5, 2, 4)
    assert layout.busiest_spans == 3 * UNIT_SPANS
    assert Layout(1000, 4, 2, 0).busiest_spans == 1000
    assert Layout(1000, 4, 2, 0).shares == 1


def test_the_largest_part_is_named_and_workers_beyond_it_are_not_worth_it() -> None:
    model = CostModel(Overhead(share_s=1e-2), {"q": QueryCost(0, 1e-8, 0, 0, 0)})
    spans = 64 * UNIT_SPANS
    best = model.best_workers("q", spans)
    assert 1 < best < 64
    assert model.parts("q", Layout.of(spans, 1)).largest == "scan"
    assert model.parts("q", Layout.of(spans, 64)).largest == "dispatch"


def runs_of(model: CostModel, noise: float, seed: int = 0) -> list[Run]:
    trembling = random.Random(seed)
    layouts = [
        Layout(spans, workers, threads, max(workers - 1, 0) * threads)
        for spans in (200_000, 500_000, 1_500_000, 5_000_000)
        for workers, threads in ((0, 1), (0, 2), (1, 1), (1, 2), (2, 1))
    ]
    return [Run("q", at, model.seconds("q", at) * (1 + noise * trembling.uniform(-1, 1))) for at in layouts]


@settings(max_examples=50)
@given(st.builds(QueryCost, st.floats(1e-4, 1e-2), st.floats(1e-9, 1e-7), st.floats(1e-10, 1e-8), *(COSTS,) * 2))
def test_a_fit_finds_what_runs_were_made_of(cost: QueryCost) -> None:
    made = CostModel(Overhead(1e-5, 1e-3, 1e-3, 1e-5), {"q": QueryCost(*_scaled(cost))})
    found = fit(made.overhead, runs_of(made, noise=0))
    assert found.errors(runs_of(made, noise=0)) == pytest.approx([0.0] * 20, abs=0.02)


def _scaled(cost: QueryCost) -> tuple[float, float, float, float, float]:
    """Costs of which each is a part of the time that can be seen."""
    return cost.once_s, cost.span_s, cost.sibling_s, cost.neighbour_s * 1e-6, cost.share_s


def test_noise_is_averaged_out() -> None:
    made = CostModel(Overhead(1e-5, 1e-3, 1e-3, 1e-5), {"q": QueryCost(1e-3, 1e-8, 2e-9, 1e-9, 1e-4)})
    found = fit(made.overhead, runs_of(made, noise=0.1))
    far = Layout.of(10**9, 100)
    assert found.seconds("q", far) == pytest.approx(made.seconds("q", far), rel=0.2)


def test_overheads_are_found() -> None:
    made = CostModel(Overhead(2e-5, 3e-3, 1e-3, 4e-5), {"q": QueryCost(0, 0, 0, 0, 0)})
    layouts = [Layout(5_000_000 * copies, 1, threads, 0) for copies in (1, 8, 64) for threads in (1, 2, 8)]
    idle = [Run("idle", layout, made.overhead.dispatch_s(layout)) for layout in layouts]
    planned = [(units, 1e-4 + made.overhead.unit_s * units) for units in (39, 312, 2496)]
    found = fit_overhead(planned, idle)
    for name in ("unit_s", "cluster_s", "share_s", "travelling_unit_s"):
        assert getattr(found, name) == pytest.approx(getattr(made.overhead, name), rel=1e-3)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 10), st.floats(1e-3, 100)), min_size=1, max_size=12))
def test_no_cost_is_below_nothing(rows: list[tuple[float, float, float]]) -> None:
    costs = least_costs([(1.0, one, other) for one, other, _ in rows], [seconds for *_, seconds in rows])
    assert min(costs) >= 0


def test_what_was_measured_is_what_the_document_shows() -> None:
    measured = Measurements.kept()
    text = DOCUMENT.read_text()
    for name, table in tables(measured).items():
        assert f"\n\n{table}\n\n<!-- end of {name} -->" in text, f"run python -m benchmarks.scaling_report: {name}"


def test_the_model_says_what_was_measured_well_enough_to_plan_with() -> None:
    measured = Measurements.kept()
    assert {run.layout.workers for run in measured.scans} == {0, 1, 2}
    assert len({run.layout.spans for run in measured.scans}) >= 3
    assert typical_error(measured.model().errors(measured.runs)) < 0.25
