"""The first pass of a search: which traces match, and which of their spans."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.traces import count_matches
from tempo_dask.physical.all_stages import apply_stages
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

    def __call__(self, number: int, unit: ScanUnit) -> Matches:
        """Return the traces of the unit that matched, newest first; `number` is its place in the work."""
        scan = UnitScan.of(unit)
        spansets = apply_stages(self.plan.stages, all_spans(unit, scan, self.plan.window), scan)
        if spansets.is_empty:
            return ()
        counts = count_matches(spansets.mask, scan.reader.offsets)
        newest = self._newest(np.flatnonzero(counts), scan)
        rows = _rows_of([trace for _, _, trace in newest], spansets, scan)
        return tuple(
            Match(start_ns, trace_id, number, trace, tuple(self._sets(spansets, rows[trace], trace)))
            for start_ns, trace_id, trace in newest
        )

    def _newest(self, traces: npt.NDArray[np.int64], scan: UnitScan) -> list[tuple[int, bytes, int]]:
        """Return (start, id, row) of the traces to keep; they stand in order of their start."""
        starts = scan.reader.data("traces", "start")[traces]
        limit = min(self.newest.limit, len(traces))
        kept = starts >= starts[-limit]  # with all that start together with the last one kept
        ids = scan.reader.data("traces", "trace_id")[traces[kept]]
        rows = zip(starts[kept].tolist(), (i.tobytes() for i in ids), traces[kept].tolist(), strict=True)
        return sorted(rows, key=lambda row: (-row[0], row[1]))[:limit]

    def _sets(self, spansets: Spansets, rows: Rows, trace: int) -> Iterator[MatchedSet]:
        """Yield the spansets of a trace, in the order of their first spans; `rows` are its spans that match."""
        if isinstance(spansets.sets, TraceSets):
            yield self._set(rows, trace, spansets)
            return
        numbers = spansets.sets.numbers[rows]
        for number in dict.fromkeys(numbers.tolist()):
            yield self._set(rows[numbers == number], number, spansets)

    def _set(self, rows: Rows, number: int, spansets: Spansets) -> MatchedSet:
        attributes = tuple((attribute.key, attribute.shown(number)) for attribute in spansets.attributes)
        return MatchedSet(len(rows), tuple(rows[: self.newest.spans_per_set].tolist()), attributes)


def _rows_of(traces: Sequence[int], spansets: Spansets, scan: UnitScan) -> Mapping[int, Rows]:
    """Return the matching spans of a few traces, which mostly stand at the end of their unit."""
    ordered = np.sort(np.array(traces, np.int64))
    first = int(scan.reader.offsets[ordered[0]])
    rows = first + np.flatnonzero(spansets.mask[first:])
    starts, stops = (np.searchsorted(rows, scan.reader.offsets[ordered + end]).tolist() for end in (0, 1))
    return {trace: rows[a:b] for trace, a, b in zip(ordered.tolist(), starts, stops, strict=True)}


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
