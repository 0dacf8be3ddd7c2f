"""Answers of `compare()`: for each attribute the most frequent values of both sides, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tempo_dask.engine.labels import series_order
from tempo_dask.engine.results import Series, Value
from tempo_dask.physical.metric_compare import ComparePartial, ValueCounts
from tempo_dask.plan.nodes import Comparison

_SIDES = ("baseline", "selection")
_NIL = "nil"


def compared_series(found: ComparePartial, comparison: Comparison) -> list[Series]:
    """Return the series of all attributes, in the order in which they are shown."""
    series = (
        one
        for key, counts in found.attributes.items()
        for side in range(len(_SIDES))
        for one in _of_side(key, counts, side, comparison.top)
    )
    return sorted(series, key=series_order)


def _of_side(key: str, found: ValueCounts, side: int, top: int) -> Iterator[Series]:
    """Yield the most frequent values of one side, then the number of spans that have any."""
    counts = found.counts[:, side]
    values: list[Value] = [_NIL if label is None else label[1] for label in found.labels]
    totals = counts.sum(axis=1).tolist()
    seen = [row for row, total in enumerate(totals) if total]
    for row in sorted(seen, key=lambda row: (-totals[row], str(values[row])))[:top]:
        yield _series(_SIDES[side], key, values[row], counts[row])
    total = counts.sum(axis=0) + found.others[side]
    if total.any():
        yield _series(f"{_SIDES[side]}_total", key, _NIL, total)


def _series(meta_type: str, key: str, value: Value, counts: npt.NDArray[np.int64]) -> Series:
    return Series((("__meta_type", meta_type), (key, value)), counts.astype(np.float64))
