"""Exemplars: a few spans that stand for many, the same ones however the spans are laid out.

The window is cut into as many slots as exemplars are wanted; in each the span with the smallest hash of its
start is chosen, so that partial choices join like sums do. Spans that start together are told apart by their
traces, which are only read for those that are left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, groupby

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import smallest_hashes, take_codes
from tempo_dask.physical.display import ShownPairs, shown_pairs
from tempo_dask.physical.groups import Groups, LabelSet
from tempo_dask.physical.reader import UnitReader
from tempo_dask.physical.spansets import UnitScan
from tempo_dask.physical.units import ScanUnit
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Plan, ShownAttribute, TimeRange, TimeSeries

#: Place of a unit in the work, row of the unit.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that may become an exemplar."""

    slot: int
    hash: int
    start_ns: int
    labels: LabelSet
    place: Place


@dataclass(frozen=True, slots=True)
class ShownExemplar:
    """What is shown of a candidate, and what decides between those that start together."""

    trace_start_ns: int
    trace_id: bytes
    span_id: bytes
    duration_ns: int
    attributes: ShownPairs


Candidates = tuple[Candidate, ...]
ShownExemplars = Mapping[Place, ShownExemplar]


@dataclass(frozen=True, slots=True)
class FineCandidates:
    """The chosen span of each fine slot that has one: a row each; `labels[code]` is its group."""

    slots: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]  # of the unit
    labels: tuple[LabelSet, ...] = ()

    @property
    def columns(self) -> tuple[npt.NDArray[np.int64], ...]:
        """The arrays, in their order."""
        return self.slots, self.hashes, self.starts, self.codes, self.rows

    def moved(self, offset: int, count: int) -> FineCandidates:
        """Return the candidates under slot numbers larger by `offset`, without those outside of `count` slots."""
        slots = self.slots + offset
        inside = (slots >= 0) & (slots < count)
        _, hashes, starts, codes, rows = (column[inside] for column in self.columns)
        return FineCandidates(slots[inside], hashes, starts, codes, rows, self.labels)

    @classmethod
    def none(cls) -> FineCandidates:
        """Return no candidates."""
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty, empty, empty)


def fine_slot(series: TimeSeries) -> int:
    """Return the length of fine slots, of which there are whole numbers in a step; 0 where none are wanted.

    A window that moves by steps cuts them nowhere, so what is chosen in them can be kept.
    """
    if not series.exemplars:
        return 0
    wanted = max(series.exemplars // series.step_count, 1)
    return series.step_ns // next(count for count in range(wanted, 0, -1) if series.step_ns % count == 0)


def _steps_of_slot(series: TimeSeries) -> int:
    """Return how many fine slots make the slots of which each gives one exemplar."""
    fine = series.step_count * (series.step_ns // fine_slot(series))
    return -(-fine // series.exemplars)


def fine_candidates(slot_ns: int, window: TimeRange, mask: Mask, groups: Groups, reader: UnitReader) -> FineCandidates:
    """Return for each fine slot the chosen span of a unit, where there is one."""
    if not slot_ns:
        return FineCandidates.none()
    starts = reader.data("spans", "start")
    count = (window.end_ns - window.start_ns) // slot_ns
    rows, hashes = smallest_hashes(starts, mask, window.start_ns, slot_ns, count)
    slots = np.flatnonzero(rows >= 0)
    rows, hashes = rows[slots], hashes[slots]
    seen, codes = np.unique(take_codes(groups.rows[rows], groups.numbers), return_inverse=True)
    labels = tuple(groups.labels[code] for code in seen.tolist())
    return FineCandidates(slots, hashes, starts[rows], codes.astype(np.int64), rows, labels)


def candidates(fine: FineCandidates, series: TimeSeries, number: int) -> Candidates:
    """Return the chosen span of each slot; `number` is the place of the unit in the work."""
    if not len(fine.slots):
        return ()
    slots = fine.slots // _steps_of_slot(series)
    order = np.lexsort((fine.hashes, slots))
    first = order[np.flatnonzero(np.diff(slots[order], prepend=-1))]
    columns = (slots, fine.hashes, fine.starts, fine.codes, fine.rows)
    found = zip(*(column[first].tolist() for column in columns), strict=True)
    return tuple(
        Candidate(slot, hash_, start_ns, fine.labels[code], (number, row)) for slot, hash_, start_ns, code, row in found
    )


def join_candidates(parts: Iterable[Candidates]) -> Candidates:
    """Return the chosen span of each slot; several where they start together."""
    best: dict[int, list[Candidate]] = {}
    for candidate in chain.from_iterable(parts):
        known = best.setdefault(candidate.slot, [])
        if known and candidate.hash < known[0].hash:
            known.clear()
        if not known or candidate.hash == known[0].hash:
            known.append(candidate)
    return tuple(chain.from_iterable(best.values()))


def choose(found: Candidates, shown: ShownExemplars) -> Candidates:
    """Return one span for each slot and for each trace, in order of time."""

    def order(candidate: Candidate) -> tuple[int, bytes, bytes]:
        exemplar = shown[candidate.place]
        return exemplar.trace_start_ns, exemplar.trace_id, exemplar.span_id

    by_slot = groupby(sorted(found, key=lambda c: c.slot), key=lambda c: c.slot)
    of_slots = [min(members, key=order) for _, members in by_slot]
    of_traces: dict[bytes, Candidate] = {}
    for candidate in sorted(of_slots, key=lambda c: c.hash):
        of_traces.setdefault(shown[candidate.place].trace_id, candidate)
    return tuple(sorted(of_traces.values(), key=lambda c: c.start_ns))


@dataclass(frozen=True, slots=True)
class ExemplarTask:
    """The candidates of one unit."""

    number: int
    unit: ScanUnit
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExemplarChunk:
    """Reads what is shown of candidates."""

    shown: tuple[ShownAttribute, ...]

    def __call__(self, number: int, task: ExemplarTask) -> ShownExemplars:  # noqa: ARG002  # all chunks are called so
        """Return what is shown of the candidates of one unit, by their places."""
        scan = UnitScan.of(task.unit)
        rows = np.array(task.rows, np.int64)
        traces = scan.reader.rows_at("traces", rows)
        starts = scan.reader.data("traces", "start")[traces].tolist()
        ids = scan.reader.data("traces", "trace_id")[traces]
        span_ids = scan.reader.data("spans", "span_id")[rows]
        durations = scan.reader.data("spans", "duration_ns")[rows].tolist()
        found = zip(starts, ids, span_ids, durations, shown_pairs(rows, self.shown, scan), strict=True)
        return {
            (task.number, row): ShownExemplar(start_ns, trace_id.tobytes(), span_id.tobytes(), duration_ns, pairs)
            for row, (start_ns, trace_id, span_id, duration_ns, pairs) in zip(task.rows, found, strict=True)
        }


def exemplar_work(
    plan: Plan, found: Candidates, units: tuple[ScanUnit, ...]
) -> PartitionWork[ExemplarTask, ShownExemplars]:
    """Return the second pass of metrics: what is shown of the candidates, found in these units."""
    by_unit: dict[int, list[int]] = defaultdict(list)
    for candidate in found:
        by_unit[candidate.place[0]].append(candidate.place[1])
    tasks = tuple(ExemplarTask(number, units[number], tuple(rows)) for number, rows in by_unit.items())
    return PartitionWork(tasks, ExemplarChunk(plan.shown), _join_shown)


def _join_shown(parts: Iterable[ShownExemplars]) -> ShownExemplars:
    return dict(chain.from_iterable(part.items() for part in parts))
