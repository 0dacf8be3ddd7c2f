"""Sketches: any finite numbers come back at most 1 % off, however they are cut; whole tables keep their bound."""

from __future__ import annotations

import math
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.columns import Column
from tempo_dask.physical import cells, metric_sketch
from tempo_dask.physical.cells import Cells, answerable, join_cells
from tempo_dask.physical.groups import Groups, LabelSet
from tempo_dask.physical.metric_function import Spans
from tempo_dask.physical.metric_sketch import SKETCH, sketch_quantiles, sketched
from tempo_dask.physical.values import Part, Values
from tempo_dask.plan.build import build_metrics
from tempo_dask.plan.nodes import SeriesPlan, TimeRange, TimeSeries
from traceql.parser import parse
from traceql.types import StaticType

QUANTILES = (0.01, 0.5, 0.9, 1.0)
STEPS = 3
LABELS: tuple[LabelSet, ...] = tuple(((StaticType.STRING, name),) for name in "abc")

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    st.integers(-(2**53), 2**53).map(float),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 127.0, 128.0, 1e308, -1e308, 2.3e-308]),
)
#: Group, step and number of each span.
spans_of_numbers = st.lists(st.tuples(st.integers(0, 2), st.integers(0, STEPS - 1), numbers), min_size=1, max_size=60)
Found = list[tuple[int, int, float]]


def series() -> TimeSeries:
    query = f"{{ }} | quantile_over_time(span.x, {', '.join(map(str, QUANTILES))}) by (name) with (exact=true)"
    plan = build_metrics(parse(query), TimeRange(0, STEPS), 1, 0)
    assert isinstance(plan, SeriesPlan)
    assert isinstance(plan.plan.output, TimeSeries)
    return plan.plan.output


def cells_of(found: Found, mask: list[int] | None = None) -> Cells:
    groups, steps, values = zip(*found, strict=True)
    of_groups = Groups.of(np.array(groups, np.int32), LABELS)
    counted = np.array(mask or [1] * len(found), np.uint8)
    spans = Spans(counted, np.array(steps, np.int64) + 1, of_groups, 0, 1, STEPS)
    return sketched(spans, Values(len(found), (Part(StaticType.FLOAT, Column(np.array(values))),)))


def require_near(table: Cells, found: Found) -> None:
    wanted: dict[tuple[LabelSet, int], list[float]] = {}
    for group, step, value in found:
        wanted.setdefault((LABELS[group], step), []).append(value)
    assert set(table.labels) == {labels for labels, _ in wanted}
    for ((_, p),), samples in (sample for sample in sketch_quantiles(table, series())):
        assert isinstance(p, float)
        for row, labels in enumerate(table.labels):
            for step in range(STEPS):
                members = sorted(wanted.get((labels, step), [0.0]))
                ranked = members[max(math.ceil(p * len(members)), 1) - 1]
                assert samples[row, step] == pytest.approx(ranked, rel=0.0079, abs=0)


@given(spans_of_numbers, st.sampled_from([cells.DENSE_NUMBERS, 0]))
def test_any_numbers_come_back_at_most_one_percent_off(found: Found, dense: int) -> None:
    with patch.object(metric_sketch, "DENSE_NUMBERS", dense):
        require_near(cells_of(found), found)


@given(spans_of_numbers, st.integers(0, 60))
def test_parts_join_to_the_whole(found: Found, at: int) -> None:
    parts = [cells_of(part) for part in (found[:at], found[at:]) if part]
    joined = join_cells(SKETCH, parts, STEPS)
    require_near(joined, found)


def test_what_is_no_finite_number_or_does_not_match_counts_nowhere() -> None:
    found = [(0, 0, math.inf), (0, 0, -math.inf), (1, 0, math.nan), (2, 1, 5.0), (2, 1, 7.0)]
    table = cells_of(found, [1, 1, 1, 0, 1])
    require_near(table, [(2, 1, 7.0)])


def test_a_table_of_too_many_cells_keeps_the_groups_that_count_most() -> None:
    with patch.object(cells, "ANSWER_NUMBERS", 6):
        parts = [cells_of([(0, 0, 2.0**number) for number in range(8)] + [(1, 0, 1.0)] * 20 + [(2, 2, 1.0)])] * 3
        parts.append(cells_of([(0, 1, 3.0**number) for number in range(8)]))
        kept = answerable(SKETCH, join_cells(SKETCH, parts, STEPS), STEPS)
    assert kept.is_cut
    require_near(kept, [(1, 0, 1.0)])
