"""Answers of `compare()`: for each attribute the most frequent values of both sides, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tempo_dask.engine.labels import series_order
from tempo_dask.engine.results import Series, Value
from tempo_dask.physical.compared_values import SIDES, Counts, Steps, ValueCounts
from tempo_dask.physical.metric_compare import ComparePartial
from tempo_dask.plan.nodes import Comparison

_SIDES = ("baseline", "selection")
_NIL = "nil"


def compared_series(found: ComparePartial, comparison: Comparison) -> list[Series]:
    """Return the series of all attributes, in the order in which they are shown."""
    series = (
        one
        for key, counts in found.attributes.items()
        for side in range(SIDES)
        for one in _of_side(key, counts, side, comparison.top)
    )
    return sorted((_widened(one, found.run, comparison) for one in series), key=series_order)


def _widened(series: Series, run: Steps, comparison: Comparison) -> Series:
    """Return a series over all steps, zero where no span was counted."""
    values = np.zeros(comparison.step_count)
    values[run.first : run.first + run.count] = series.values
    return replace(series, values=values)


def _of_side(key: str, found: ValueCounts, side: int, top: int) -> Iterator[Series]:
    """Yield the most frequent values of one side, then the number of spans that have any."""
    nil, others = (counts.reshape(SIDES, -1)[side] for counts in (found.nil, found.others))
    of_values = [part.counts.reshape(len(part.counts), SIDES, -1)[:, side] for part in found.parts]
    for value, counts in _most_frequent(found, [*of_values, nil[np.newaxis]], top):
        yield _series(_SIDES[side], key, value, counts)
    total = sum((counts.sum(axis=0) for counts in of_values), nil + others)
    if total.any():
        yield _series(f"{_SIDES[side]}_total", key, _NIL, total)


def _most_frequent(found: ValueCounts, of_values: list[Counts], top: int) -> list[tuple[Value, Counts]]:
    """Return the most frequent values and their counts; of equally frequent ones those whose text comes first."""
    totals = [counts.sum(axis=1) for counts in of_values]
    least = max(_at_least(np.concatenate(totals), top), 1)
    rows = [np.flatnonzero(of_type >= least) for of_type in totals]
    values: list[Value] = [value for part, some in zip(found.parts, rows, strict=False) for value in part.shown(some)]
    values += [_NIL] * len(rows[-1])
    kept = np.concatenate([counts[some] for counts, some in zip(of_values, rows, strict=True)])
    sums = kept.sum(axis=1).tolist()
    order = sorted(range(len(values)), key=lambda row: (-sums[row], str(values[row])))[:top]
    return [(values[row], kept[row]) for row in order]


def _at_least(totals: Counts, top: int) -> int:
    """Return the count that the most frequent values have at least."""
    return 0 if len(totals) <= top else int(np.partition(totals, -top)[-top])


def _series(meta_type: str, key: str, value: Value, counts: npt.NDArray[np.int64]) -> Series:
    return Series((("__meta_type", meta_type), (key, value)), counts.astype(np.float64))
