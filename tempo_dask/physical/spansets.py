"""The state between two stages: which spans of a unit are still in, and to which spanset each belongs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.aggregates import Reduced, reduce_by_group, reduce_runs
from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.traces import count_matches, spread
from tempo_dask.physical.binder import Binder
from tempo_dask.physical.reader import Rows, UnitReader
from tempo_dask.physical.set_attributes import SetAttribute
from tempo_dask.physical.units import ScanUnit
from tempo_dask.plan.nodes import TimeRange

SetNumbers = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class UnitScan:
    """What stages need to know of the unit they run on."""

    reader: UnitReader
    binder: Binder

    @classmethod
    def of(cls, unit: ScanUnit) -> UnitScan:
        """Return a scan of the unit that has read nothing yet."""
        return cls(UnitReader(unit.source, unit.unit), Binder(unit.source.meta))


class Sets(Protocol):
    """Which spanset each span of a unit belongs to; sets are numbered trace by trace."""

    @property
    def numbers(self) -> SetNumbers:
        """The set of each span."""
        ...

    @property
    def traces(self) -> SetNumbers:
        """The trace of each set."""
        ...

    def of(self, spans: Rows) -> Rows:
        """Return the set of each of these spans, which must be in one."""
        ...

    def counts(self, mask: Mask) -> Counts:
        """Return how many spans of each set match."""
        ...

    def reduce(self, values: npt.NDArray[Any], mask: Mask) -> Reduced:
        """Reduce the numbers of the matching spans of each set."""
        ...

    def spread(self, kept: Mask) -> Mask:
        """Return for each span what `kept` says of its set."""
        ...


@dataclass(frozen=True, slots=True)
class TraceSets(Sets):
    """One set for each trace."""

    reader: UnitReader

    @property
    def numbers(self) -> SetNumbers:
        """The trace of each span."""
        return self.reader.trace_numbers

    @property
    def traces(self) -> SetNumbers:
        """Each trace."""
        return np.arange(self.reader.row_count("traces"), dtype=np.uint32)

    def of(self, spans: Rows) -> Rows:
        """Return the trace of each of these spans."""
        return self.reader.rows_at("traces", spans)

    def counts(self, mask: Mask) -> Counts:
        """Return how many spans of each trace match: they stand together, so none is looked up."""
        return count_matches(mask, self.reader.offsets)

    def reduce(self, values: npt.NDArray[Any], mask: Mask) -> Reduced:
        """Reduce the numbers of the matching spans of each trace."""
        return reduce_runs(values, mask, self.reader.offsets)

    def spread(self, kept: Mask) -> Mask:
        """Return for each span what `kept` says of its trace."""
        return spread(kept, self.reader.offsets)


@dataclass(frozen=True, slots=True)
class GroupSets(Sets):
    """Sets that divide the spans of a trace: `spans` are those in a set, rising, `sets` has the set of each."""

    reader: UnitReader
    spans: Rows
    sets: SetNumbers
    traces: SetNumbers

    @property
    def numbers(self) -> SetNumbers:
        """The set of each span; 0 of spans that are in none."""
        numbers = np.zeros(self.reader.row_count("spans"), np.uint32)
        numbers[self.spans] = self.sets
        return numbers

    def of(self, spans: Rows) -> Rows:
        """Return the set of each of these spans."""
        return self.sets[np.searchsorted(self.spans, spans)].astype(np.int64)

    def counts(self, mask: Mask) -> Counts:
        """Return how many spans of each set match."""
        return np.bincount(self.sets[mask[self.spans].view(np.bool_)], minlength=len(self.traces))

    def reduce(self, values: npt.NDArray[Any], mask: Mask) -> Reduced:
        """Reduce the numbers of the matching spans of each set."""
        return reduce_by_group(values[self.spans], mask[self.spans], self.sets, len(self.traces))

    def spread(self, kept: Mask) -> Mask:
        """Return for each span what `kept` says of its set; 0 of spans that are in none."""
        out = np.zeros(self.reader.row_count("spans"), np.uint8)
        out[self.spans] = kept[self.sets]
        return out


@dataclass(frozen=True)
class Spansets:
    """Disjoint spansets of the traces of a unit: the spans where `mask` is 1, by their set.

    `attributes` are those of the sets.
    """

    mask: Mask
    sets: Sets
    attributes: tuple[SetAttribute, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether no span is left."""
        return not self.mask.view(np.bool_).any()

    @cached_property
    def counts(self) -> Counts:
        """How many spans each set has, counted once."""
        return self.sets.counts(self.mask)

    @property
    def occupied(self) -> Mask:
        """Which sets still have a span."""
        return (self.counts > 0).view(np.uint8)

    def only(self, mask: Mask) -> Spansets:
        """Return the sets with only the spans where `mask` is 1."""
        return replace(self, mask=self.mask & mask)

    def only_sets(self, kept: Mask) -> Spansets:
        """Return only the sets where `kept` is 1."""
        return self.only(self.sets.spread(kept))


def all_spans(unit: ScanUnit, scan: UnitScan, window: TimeRange | None) -> Spansets:
    """Return every span of the traces of the unit that overlap the window (all where it is None), a set each."""
    reader = scan.reader
    eligible = None if window is None else _overlapping(unit, reader, window)
    if len(unit.excluded):
        eligible = np.ones(reader.row_count("traces"), np.uint8) if eligible is None else eligible
        eligible[unit.excluded - unit.meta.first_trace] = 0
    if eligible is None:
        return Spansets(np.ones(reader.row_count("spans"), np.uint8), TraceSets(reader))
    return Spansets(spread(eligible, reader.offsets), TraceSets(reader))


def _overlapping(unit: ScanUnit, reader: UnitReader, window: TimeRange) -> Mask | None:
    """Return the traces that overlap the window, None where all do."""
    if unit.meta.start_ns >= window.start_ns and unit.meta.end_ns <= window.end_ns:
        return None
    starts: npt.NDArray[np.int64] = reader.data("traces", "start")
    ends: npt.NDArray[np.int64] = reader.data("traces", "end")
    return ((starts <= window.end_ns) & (ends >= window.start_ns)).view(np.uint8)
