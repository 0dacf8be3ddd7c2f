"""The first pass of a search: which traces match, and which of their spans."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tempo_dask.kernels.traces import newest_matches
from tempo_dask.physical.all_stages import apply_stages
from tempo_dask.physical.newest_bound import NewestBound
from tempo_dask.physical.reader import Rows
from tempo_dask.physical.shown_values import Shown
from tempo_dask.physical.spansets import Spansets, TraceSets, UnitScan, all_spans
from tempo_dask.physical.units import ScanUnit
from tempo_dask.plan.nodes import NewestTraces, Plan


@dataclass(frozen=True, slots=True)
class MatchedSet:
    """A spanset of a trace: how many spans matched, the first of them (rows of their unit), its attributes."""

    matched: int
    rows: tuple[int, ...]
    attributes: tuple[tuple[str, Shown], ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A trace that matched; `unit` is the place of its unit in the work, `trace` its row there."""

    start_ns: int
    trace_id: bytes
    unit: int
    trace: int
    sets: tuple[MatchedSet, ...]

    @property
    def order(self) -> tuple[int, bytes]:
        """What newest first means: by start descending, then by id."""
        return -self.start_ns, self.trace_id


Matches = tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class MatchChunk:
    """Finds the newest matching traces of one unit."""

    plan: Plan
    newest: NewestTraces
    bound: NewestBound = field(compare=False, repr=False)

    @classmethod
    def of(cls, plan: Plan, newest: NewestTraces) -> MatchChunk:
        """Return what has found nothing yet."""
        return cls(plan, newest, NewestBound(newest.limit))

    def __call__(self, number: int, unit: ScanUnit) -> Matches:
        """Return the traces of the unit that matched, newest first; `number` is its place in the work."""
        scan = UnitScan.of(unit)
        spansets = apply_stages(self.plan.stages, all_spans(unit, scan, self.plan.window), scan)
        if spansets.is_empty or unit.newest_start_ns < self.bound.start_ns:
            return ()
        newest = self._newest(spansets, scan)
        self.bound.add((unit.source.meta.tenant, unit.source.meta.id, unit.unit), [-age for age, _, _ in newest])
        sets = [list(_sets(spansets, trace, scan)) for _, _, trace in newest]
        attributes = iter(_attributes(spansets, [of_set for of_trace in sets for of_set, _ in of_trace]))
        return tuple(
            Match(-age, trace_id, number, trace, tuple(self._shown(rows, next(attributes)) for _, rows in of_trace))
            for (age, trace_id, trace), of_trace in zip(newest, sets, strict=True)
        )

    def _shown(self, rows: Rows, attributes: tuple[tuple[str, Shown], ...]) -> MatchedSet:
        return MatchedSet(len(rows), tuple(rows[: self.newest.spans_per_set].tolist()), attributes)

    def _newest(self, spansets: Spansets, scan: UnitScan) -> list[tuple[int, bytes, int]]:
        """Return (start before 1970, id, row) of the traces to keep."""
        starts = scan.reader.data("traces", "start")
        traces = newest_matches(spansets.mask, scan.reader.offsets, starts, self.newest.limit)
        ids = np.ascontiguousarray(scan.reader.data("traces", "trace_id")[traces])
        rows = zip((-starts[traces]).tolist(), ids.view("V16").ravel().tolist(), traces.tolist(), strict=True)
        return sorted(rows)[: self.newest.limit]


def _sets(spansets: Spansets, trace: int, scan: UnitScan) -> Iterator[tuple[int, Rows]]:
    """Yield the number and the spans of each spanset of a trace, in the order of their first spans."""
    first, stop = scan.reader.offsets[trace : trace + 2].tolist()
    rows = first + np.flatnonzero(spansets.mask[first:stop].view(np.bool_))
    if isinstance(spansets.sets, TraceSets):
        yield trace, rows
        return
    numbers = spansets.sets.of(rows)
    for number in dict.fromkeys(numbers.tolist()):
        yield number, rows[numbers == number]


def _attributes(spansets: Spansets, sets: Sequence[int]) -> Iterable[tuple[tuple[str, Shown], ...]]:
    """Return the attributes of each of these spansets."""
    numbers = np.array(sets, np.int64)
    columns = [[(each.key, value) for value in each.shown(numbers)] for each in spansets.attributes]
    return zip(*columns, strict=True) if columns else [()] * len(sets)


def newest_of(partials: Iterable[Matches], *, limit: int) -> Matches:
    """Return the newest of all matches, newest first."""
    return tuple(heapq.nsmallest(limit, (match for matches in partials for match in matches), key=lambda m: m.order))


def is_complete(found: Matches, waiting: Sequence[ScanUnit], *, limit: int) -> bool:
    """Return whether no trace of the waiting units can start after those found."""
    return len(found) == limit and all(unit.newest_start_ns < found[-1].start_ns for unit in waiting)


def settled(found: Matches, waiting: Sequence[ScanUnit]) -> int:
    """Return how many of the matches, newest first, no trace of the waiting units can come before."""
    newest_ns = max((unit.newest_start_ns for unit in waiting), default=None)
    if newest_ns is None:
        return len(found)
    return sum(match.start_ns > newest_ns for match in found)
