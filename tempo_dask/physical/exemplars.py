"""Exemplars: a few spans that stand for many, the same ones however the spans are laid out.

The window is cut into as many slots as exemplars are wanted; in each the span with the smallest hash of its
start is chosen, so that partial choices join like sums do. Spans that start together are told apart by their
traces, which are only read for those that are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import smallest_hashes, take_codes
from tempo_dask.physical.groups import Groups, LabelSet
from tempo_dask.physical.reader import UnitReader
from tempo_dask.plan.nodes import TimeRange, TimeSeries

#: Place of a run in the work, row of its source.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that may become an exemplar."""

    slot: int
    hash: int
    start_ns: int
    labels: LabelSet
    place: Place


Candidates = tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class FineCandidates:
    """The chosen span of each fine slot that has one: a row each; `labels[code]` is its group."""

    slots: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]  # of the source
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
    seen: dict[int, int] = {}  # groups are few, and so are the rows
    found = take_codes(groups.rows[rows], groups.numbers).tolist()
    codes = np.array([seen.setdefault(code, len(seen)) for code in found], np.int64)
    labels = tuple(groups.labels[code] for code in seen)
    return FineCandidates(slots, hashes, starts[rows], codes, rows + reader.meta.first_span, labels)


def join_fine(parts: Sequence[FineCandidates]) -> FineCandidates:
    """Return the chosen span of each slot; of spans that start together that of the first part."""
    labels: dict[LabelSet, int] = {}
    places = [np.array([labels.setdefault(found, len(labels)) for found in part.labels], np.int64) for part in parts]
    codes = np.concatenate([place[part.codes] for place, part in zip(places, parts, strict=True)])
    slots, hashes, starts, rows = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("slots", "hashes", "starts", "rows")
    )
    first = _smallest(slots, hashes)
    return FineCandidates(slots[first], hashes[first], starts[first], codes[first], rows[first], tuple(labels))


def _smallest(slots: npt.NDArray[np.int64], hashes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each slot, ascending, the first row with the smallest hash."""
    order = np.lexsort((hashes, slots))
    ordered = slots[order]
    is_first = np.ones(len(order), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return order[is_first]


def candidates(fine: FineCandidates, series: TimeSeries, number: int) -> Candidates:
    """Return the chosen span of each slot; `number` is the place of the run in the work."""
    if not len(fine.slots):
        return ()
    slots = fine.slots // _steps_of_slot(series)
    first = _smallest(slots, fine.hashes)
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
