"""How often the values of one attribute occur: arrays by type, so that no value is looked at one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import Column
from tempo_dask.physical.shown_values import Shown, shown_elements
from tempo_dask.physical.values import Part
from traceql.types import StaticType

Counts: TypeAlias = npt.NDArray[np.int64]

#: Cells kept of one attribute and type; of more values the most frequent ones are told apart.
MAX_CELLS = 1 << 20
SIDES = 2


@dataclass(frozen=True, slots=True)
class Steps:
    """A run of the steps of a window: spans of a unit fall into few of them."""

    first: int
    count: int

    @classmethod
    def around(cls, runs: Sequence[Steps]) -> Steps:
        """Return the shortest run that holds all others."""
        first = min(run.first for run in runs)
        return cls(first, max(run.first + run.count for run in runs) - first)

    def of(self, other: Steps) -> slice:
        """Return where the steps of a longer run, which holds these, are these."""
        at = self.first - other.first
        return slice(at, at + self.count)


@dataclass(frozen=True, slots=True)
class TypedCounts:
    """Distinct values of one type (text, or numbers as their column has them), and counts (values, sides x steps)."""

    type: StaticType
    values: pa.Array
    counts: Counts

    def shown(self, rows: npt.NDArray[np.int64]) -> list[Shown]:
        """Return some of the values as they are shown."""
        some = self.values.take(pa.array(rows))
        if self.type is StaticType.STRING:
            return shown_elements(Part(self.type, Column(np.arange(len(some), dtype=np.int32), None, some)))
        return shown_elements(Part(self.type, Column(some.to_numpy())))

    def take(self, rows: npt.NDArray[np.int64]) -> TypedCounts:
        """Return the counts of some of the values."""
        return TypedCounts(self.type, self.values.take(pa.array(rows)), self.counts[rows])


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """How often the values of an attribute occur, in slots: side times steps plus step; side 1 is the selection.

    `nil` counts spans whose value is shown as nil (lists, and for some attributes none), `others` those whose values
    were too many to tell apart.
    """

    parts: tuple[TypedCounts, ...]
    nil: Counts
    others: Counts

    @property
    def is_empty(self) -> bool:
        """Whether no span counts."""
        return not self.parts and not self.nil.any()


def joined(parts: Sequence[ValueCounts], runs: Sequence[Steps]) -> ValueCounts:
    """Return counts of equal values added, over the steps around those of each part."""
    whole = Steps.around(runs)
    of_types: dict[StaticType, list[tuple[TypedCounts, Steps]]] = {}
    for part, run in zip(parts, runs, strict=True):
        for typed in part.parts:
            of_types.setdefault(typed.type, []).append((typed, run))
    found = [_joined_type(of_type, whole) for of_type in of_types.values()]
    nil, others = (_added([getattr(part, name) for part in parts], runs, whole) for name in ("nil", "others"))
    return ValueCounts(tuple(typed for typed, _ in found), nil, sum((left for _, left in found), others))


def _added(parts: Sequence[Counts], runs: Sequence[Steps], whole: Steps) -> Counts:
    """Return the sum of counts (sides x steps of each run)."""
    found = np.zeros((SIDES, whole.count), np.int64)
    for part, run in zip(parts, runs, strict=True):
        found[:, run.of(whole)] += part.reshape(SIDES, run.count)
    return found.reshape(-1)


def _joined_type(parts: Sequence[tuple[TypedCounts, Steps]], whole: Steps) -> tuple[TypedCounts, Counts]:
    """Return the most frequent values of one type, and what the others add up to."""
    width = SIDES * whole.count
    if len(parts) == 1 and parts[0][1] == whole:
        return parts[0][0], np.zeros(width, np.int64)
    encoded = pa.concat_arrays([part.values for part, _ in parts]).dictionary_encode()
    rows, cells = encoded.indices.to_numpy(), np.zeros((len(encoded.dictionary), SIDES, whole.count), np.int64)
    first = 0
    for part, run in parts:
        count = len(part.values)  # which are distinct
        cells[rows[first : first + count], :, run.of(whole)] += part.counts.reshape(count, SIDES, run.count)
        first += count
    counts = cells.reshape(len(cells), width)
    found = TypedCounts(parts[0][0].type, encoded.dictionary, counts)
    if counts.size <= MAX_CELLS:
        return found, np.zeros(width, np.int64)
    kept = most_frequent(cells.sum(axis=2), MAX_CELLS // width)
    return found.take(np.flatnonzero(kept)), counts[~kept].sum(axis=0)


def most_frequent(totals: Counts, limit: int) -> npt.NDArray[np.bool_]:
    """Return which values to keep: those that are most frequent in either side (totals: values, sides)."""
    kept = np.zeros(len(totals), np.bool_)
    for side in range(SIDES):
        kept[np.argsort(-totals[:, side], kind="stable")[: max(limit // 2, 1)]] = True
    return kept
