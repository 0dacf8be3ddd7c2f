"""Many groups: partial results stay small, and the answer says what is left out."""

from __future__ import annotations

import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest

from tempo_dask.physical import cells
from tempo_dask.physical.cells import Cells, answerable, filled, join_cells
from tempo_dask.physical.groups import Groups
from tempo_dask.physical.metric_count import COUNT
from tempo_dask.physical.metric_function import Spans
from traceql.types import StaticType

STEPS = 240


def part(first: int, groups: int) -> Cells:
    """Return the cells of spans of their own group each; group 7 has a span in every part."""
    numbers = np.arange(groups + 1, dtype=np.int32)
    names = [7, *range(first, first + groups)]
    labels = tuple(((StaticType.STRING, f"user-{name}"),) for name in names)
    starts = 1 + np.arange(groups + 1, dtype=np.int64) % STEPS
    mask = np.ones(groups + 1, np.uint8)
    return filled(COUNT, Spans(mask, starts, Groups.of(numbers, labels), 0, 1, STEPS), None)


def test_the_largest_groups_are_kept_and_the_answer_says_so() -> None:
    with patch.object(cells, "DENSE_NUMBERS", 1000), patch.object(cells, "ANSWER_NUMBERS", 100 * STEPS):
        found = Cells()
        for place in range(6):
            found = join_cells(COUNT, [found, part(1000 + 90 * place, 90)], STEPS)
            assert len(found.labels) <= 200
        kept = answerable(COUNT, found, STEPS)
        assert kept.is_cut
        assert len(kept.labels) == 100
        assert kept.dense(COUNT, STEPS)[0].shape == (100, STEPS)
        row = kept.labels.index(((StaticType.STRING, "user-7"),))
        assert kept.dense(COUNT, STEPS)[0][row].sum() == 6


def test_few_groups_are_all_there() -> None:
    whole = join_cells(COUNT, [part(1000, 50), part(1020, 50)], STEPS)
    assert not whole.is_cut
    assert whole.dense(COUNT, STEPS)[0].sum() == 102


@pytest.mark.slow
def test_a_million_groups_stay_within_the_budget() -> None:
    tracemalloc.start()
    found = Cells()
    for place in range(4):
        found = join_cells(COUNT, [found, part(1000 + 250_000 * place, 250_000)], STEPS)
    kept = answerable(COUNT, found, STEPS)
    kept.dense(COUNT, STEPS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept.is_cut
    assert peak < 512 << 20
