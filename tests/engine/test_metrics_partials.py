"""Partial results of metrics join to the same whole in any order and any grouping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tempo_dask.kernels.sums import add_sums, sum_floats, sum_integers
from tempo_dask.physical.metric_compare import ComparePartial, compare_work
from tempo_dask.physical.series import SeriesPartial, series_work
from tempo_dask.physical.units import Shard
from tempo_dask.plan.build import build_metrics
from tempo_dask.plan.nodes import Comparison, SeriesPlan, TimeRange, TimeSeries
from tests.engine.recorded import chunk_of
from tests.engine.spans import START_NS, request_of, spans
from tests.oracle_spans import Span
from traceql import parse, simplify

WINDOW = TimeRange(START_NS - 3, START_NS + 57)
QUERIES = (
    "{ } | rate() by (.a)",
    "{ } | min_over_time(.a) by (name)",
    "{ } | max_over_time(duration)",
    "{ } | sum_over_time(span.a) by (resource.b)",
    "{ } | avg_over_time(duration) by (name)",
    "{ } | histogram_over_time(duration) by (span.a)",
    "{ } | quantile_over_time(duration, .5)",
    "{ } | compare({ status = error })",
)


def plan_of(query: str) -> SeriesPlan:
    found = build_metrics(simplify(parse(query)), WINDOW, 10, exemplars=3)
    assert isinstance(found, SeriesPlan)
    return found


def work_of(query: str, found: Sequence[Span]) -> Any:
    plan = plan_of(query).plan
    shards = [Shard(chunk_of([request_of(found)], unit_spans=2))]
    if isinstance(plan.output, Comparison):
        return compare_work(plan, plan.output, shards)
    assert isinstance(plan.output, TimeSeries)
    return series_work(plan, plan.output, shards)


def in_some_order(data: st.DataObject, parts: Sequence[Any], combine: Any) -> Any:
    """Join by pairs, whichever two are drawn."""
    left = list(parts)
    while len(left) > 1:
        one = left.pop(data.draw(st.integers(0, len(left) - 1)))
        other = left.pop(data.draw(st.integers(0, len(left) - 1)))
        left.append(combine([one, other]))
    return combine(left)


def cells(found: SeriesPartial | ComparePartial) -> dict[object, list[object]]:
    """Return cells by labels, exactly."""
    if isinstance(found, ComparePartial):
        whole: dict[object, list[object]] = {}
        for key, counts in found.attributes.items():
            whole[key] = [counts.nil.tolist(), counts.others.tolist()]
            for typed in counts.parts:
                values = zip(typed.values.to_pylist(), typed.counts.tolist(), strict=True)
                whole |= {(key, typed.type, repr(value)): of_value for value, of_value in values}
        return whole
    table = found.cells
    return {repr(labels): [plane[i].tolist() for plane in table.planes] for i, labels in enumerate(table.labels)}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(found=spans(), query=st.sampled_from(QUERIES), data=st.data())
def test_joining_is_associative_and_commutative(found: list[Span], query: str, data: st.DataObject) -> None:
    work = work_of(query, found)
    parts = [work.chunk(number, unit) for number, unit in enumerate(work.tasks)]
    at_once, by_pairs = work.combine(parts), in_some_order(data, parts, work.combine)
    assert cells(by_pairs) == cells(at_once)
    assert by_pairs.inspected_spans == at_once.inspected_spans == sum(part.inspected_spans for part in parts)
    if isinstance(at_once, SeriesPartial):
        assert set(by_pairs.exemplars) == set(at_once.exemplars)


floats = st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: x if abs(x) > 1e-9 else 0.25)
integers = st.integers(-(2**62), 2**62)


def parts_of(data: st.DataObject, values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    return [values[a:b] for a, b in zip([0, *cuts], [*cuts, len(values)], strict=True)]


@settings(max_examples=60)
@given(values=st.lists(floats, min_size=1, max_size=200), data=st.data())
def test_sums_of_floats_are_within_one_ulp_of_the_exact_sum(values: list[float], data: st.DataObject) -> None:
    def kernel(part: Sequence[float]) -> tuple[Any, Any]:
        count = len(part)
        return sum_floats(np.array(part, np.float64), np.ones(count, np.uint8), np.zeros(count, np.int64), 1)

    sums = [kernel(part) for part in parts_of(data, values)]
    found, lost = in_some_order(data, sums, lambda some: add_sums(*some[0], *some[1]) if len(some) > 1 else some[0])
    exact = math.fsum(values)
    assert float(found[0] + lost[0]) == pytest.approx(exact, rel=0, abs=math.ulp(exact))


@settings(max_examples=40)
@given(values=st.lists(integers, min_size=1, max_size=100))
def test_sums_of_integers_are_exact_beyond_64_bits(values: list[int]) -> None:
    count = len(values)
    high, low = sum_integers(np.array(values), np.ones(count, np.uint8), np.zeros(count, np.int64), 1)
    assert (int(high[0]) << 32) + int(low[0]) == sum(values)
