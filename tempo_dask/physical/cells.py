"""Tables of cells (group x step): dense while they are small, then only the cells that something fell into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tempo_dask.physical.groups import Codes, Groups, LabelSet, numbered
from tempo_dask.physical.metric_function import MetricFunction, Planes, Spans
from tempo_dask.physical.values import Values

Keys: TypeAlias = npt.NDArray[np.int64]

#: Numbers in a dense table of one partial result at most.
DENSE_NUMBERS = 4 << 20
#: Numbers in a whole table, dense as it is answered, at most; what is more is left out, the smallest groups first.
ANSWER_NUMBERS = 16 << 20


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of each label set that occurs.

    Dense (`keys` is None) planes are (groups, some steps, *bins), of which `first` is the first: all others are empty.
    Sparse ones are (cells, *bins) of the cells that count something, and `keys` tells which these are: group times
    steps plus step, ascending; of a function with parts, that times parts plus part.
    """

    labels: tuple[LabelSet, ...] = ()
    planes: Planes = ()
    keys: Keys | None = None
    is_cut: bool = False  # whether groups were left out
    first: int = 0

    def dense(self, function: MetricFunction, steps: int) -> Planes:
        """Return planes (groups, steps, *bins)."""
        if self.keys is None and self.width == steps:
            return self.planes
        found = tuple(plane.of(len(self.labels), steps) for plane in function.planes)
        if self.keys is None:
            for whole, cells in zip(found, self.planes, strict=True):
                whole[:, self.first : self.first + self.width] = cells
            return found
        for whole, cells in zip(found, self.planes, strict=True):
            whole.reshape(-1, *whole.shape[2:])[self.keys] = cells
        return found

    @property
    def width(self) -> int:
        """How many steps dense planes hold."""
        return self.planes[0].shape[1] if self.planes else 0

    def sparse(self, steps: int) -> tuple[Keys, Planes]:
        """Return keys and cells of those that count something."""
        if self.keys is not None:
            return self.keys, self.planes
        counts = self.planes[-1].reshape(len(self.labels), self.width, -1).any(axis=2)
        groups, columns = np.nonzero(counts)
        return groups * steps + columns + self.first, tuple(plane[groups, columns] for plane in self.planes)


def filled(function: MetricFunction, spans: Spans, values: Values | None) -> Cells:
    """Return the cells of the groups that occur among the spans of a unit."""
    labels, steps = spans.groups.labels, spans.step_count
    if len(labels) * steps * _numbers(function) <= DENSE_NUMBERS:
        planes = function.fill(spans, values)
        counts = planes[-1]
        used = np.flatnonzero(counts.reshape(len(counts), -1).any(axis=1))
        return Cells(_labels(labels, used), tuple(plane[used] for plane in planes))
    seen, codes = numbered(spans.cells + 1, len(labels) * steps + 1)  # spans of no cell are numbered too
    return _cut(function, _sparse(function, spans, values, seen - 1, codes), steps)


def _sparse(function: MetricFunction, spans: Spans, values: Values | None, keys: Keys, codes: Codes) -> Cells:
    """Fill cells as if each of those that spans fall into were a group of its own, of a single step."""
    length = spans.step_ns * spans.step_count
    alone = Groups.of(codes, ((),) * len(keys))
    planes = function.fill(Spans(spans.mask, spans.starts, alone, spans.start_ns, length, 1), values)
    counts = planes[-1]
    used = np.flatnonzero((keys >= 0) & counts.reshape(len(counts), -1).any(axis=1))
    cells = tuple(plane[used, 0] for plane in planes)
    return of_groups_that_occur(spans.groups.labels, keys[used], cells, spans.step_count)


def of_groups_that_occur(labels: tuple[LabelSet, ...], keys: Keys, planes: Planes, columns: int) -> Cells:
    """Return sparse cells without the groups that have none; a group has keys for so many columns."""
    groups = keys // columns
    seen, places = numbered(groups, len(labels))
    return Cells(_labels(labels, seen), planes, keys + (places - groups) * columns)


def join_cells(function: MetricFunction, parts: Sequence[Cells], steps: int) -> Cells:
    """Return one table: cells of equal label sets are joined as the function says."""
    parts = [part for part in parts if part.labels]
    if len(parts) == 1:
        return parts[0]
    rows: dict[LabelSet, int] = {}
    places = [np.array([rows.setdefault(labels, len(rows)) for labels in part.labels], np.int64) for part in parts]
    is_cut, labels = any(part.is_cut for part in parts), tuple(rows)
    is_small = len(rows) * steps * _numbers(function) <= DENSE_NUMBERS
    if is_small and all(part.keys is None for part in parts):
        return Cells(labels, _join_dense(function, parts, places, (len(rows), steps)), is_cut=is_cut)
    moved = [_moved(part, at, steps, function.parts) for part, at in zip(parts, places, strict=True)]
    keys = _distinct(np.concatenate([keys for keys, _ in moved]))
    joined = tuple(plane.of(len(keys), 1)[:, 0] for plane in function.planes)
    for of_part, planes in moved:
        _join_into(function, joined, np.searchsorted(keys, of_part), planes)
    return _cut(function, Cells(labels, joined, keys, is_cut), steps)


def _distinct(keys: Keys) -> Keys:
    """Return the keys that there are, ascending; NumPy's own way hashes them, which takes several times as long."""
    ordered = np.sort(keys)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _moved(some: Cells, places: Keys, steps: int, parts: int) -> tuple[Keys, Planes]:
    """Return the sparse cells of some groups under the groups of the whole."""
    keys, planes = some.sparse(steps)
    groups = keys // (steps * parts)
    return keys + (places[groups] - groups) * (steps * parts), planes


def _join_dense(
    function: MetricFunction, parts: Sequence[Cells], places: Sequence[Keys], shape: tuple[int, int]
) -> Planes:
    joined = tuple(plane.of(*shape) for plane in function.planes)
    for part, rows in zip(parts, places, strict=True):
        some = tuple(plane[:, part.first : part.first + part.width] for plane in joined)
        _join_into(function, some, rows, part.planes)
    return joined


def _join_into(function: MetricFunction, joined: Planes, rows: Keys, planes: Planes) -> None:
    found = function.join(tuple(cells[rows] for cells in joined), planes)
    for cells, more in zip(joined, found, strict=True):
        cells[rows] = more


def _cut(function: MetricFunction, found: Cells, steps: int) -> Cells:
    """Return the groups that count most, as many as an answer may have.

    Groups are only left out when there are twice as many, so that few joins sort them.
    """
    limit = _most_groups(function, steps)
    if found.keys is None or (len(found.labels) <= 2 * limit and len(found.keys) <= 2 * ANSWER_NUMBERS):
        return found
    return largest(found, limit, steps * function.parts)


def largest(found: Cells, limit: int, columns: int) -> Cells:
    """Return the groups of a sparse table that count most, at most `limit`, each of which has keys for so many columns.

    They have no more cells than a whole table has numbers, but for a group that alone has.
    """
    if found.keys is None or (len(found.labels) <= limit and len(found.keys) <= ANSWER_NUMBERS):
        return found
    groups = found.keys // columns
    counts = found.planes[-1].reshape(len(groups), -1).sum(axis=1)
    totals = np.bincount(groups, weights=counts, minlength=len(found.labels))
    order = np.argsort(-totals, kind="stable")[:limit]
    fit = np.searchsorted(np.cumsum(np.bincount(groups, minlength=len(totals))[order]), ANSWER_NUMBERS, side="right")
    kept = np.sort(order[: max(int(fit), 1)])
    numbers = np.full(len(found.labels), -1, np.int64)
    numbers[kept] = np.arange(len(kept))
    cells = np.flatnonzero(numbers[groups] >= 0)
    keys = numbers[groups[cells]] * columns + found.keys[cells] % columns
    return Cells(_labels(found.labels, kept), tuple(plane[cells] for plane in found.planes), keys, is_cut=True)


def answerable(function: MetricFunction, found: Cells, steps: int) -> Cells:
    """Return the cells that an answer has room for."""
    return largest(found, _most_groups(function, steps), steps * function.parts)


def _most_groups(function: MetricFunction, steps: int) -> int:
    """Return how many groups an answer has room for."""
    return max(ANSWER_NUMBERS // (steps * _numbers(function)), 1)


def _numbers(function: MetricFunction) -> int:
    """Return how many numbers a cell holds."""
    return sum(math.prod(plane.bins) for plane in function.planes)


def _labels(labels: tuple[LabelSet, ...], rows: Keys) -> tuple[LabelSet, ...]:
    return tuple(labels[row] for row in rows.tolist())
