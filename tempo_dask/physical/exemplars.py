"""Exemplars: a few spans that stand for many, the same ones however the spans are laid out.

The window is cut into as many slots as exemplars are wanted; in each the span with the smallest hash of its
start is chosen, so that partial choices join like sums do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import smallest_hashes, take_codes
from tempo_dask.physical.groups import Groups, LabelSet
from tempo_dask.physical.reader import UnitReader
from tempo_dask.plan.nodes import TimeRange


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that may become an exemplar; `unit` is the place of its unit in the work, `row` its row there."""

    slot: int
    hash: int
    trace_id: bytes
    start_ns: int
    labels: LabelSet
    unit: int
    row: int

    @property
    def order(self) -> tuple[int, bytes]:
        """What decides between two spans of a slot."""
        return self.hash, self.trace_id


def candidates(
    wanted: int, window: TimeRange, mask: Mask, groups: Groups, reader: UnitReader, number: int
) -> tuple[Candidate, ...]:
    """Return for each slot the chosen span of a unit, where there is one."""
    if not wanted:
        return ()
    starts = reader.data("spans", "start")
    slot_ns = -((window.start_ns - window.end_ns) // wanted)
    rows, hashes = smallest_hashes(starts, mask, window.start_ns, slot_ns, wanted)
    ids = reader.data("traces", "trace_id")
    taken = np.flatnonzero(rows >= 0)
    traces = reader.rows_at("traces", rows[taken])
    codes = take_codes(groups.rows[rows[taken]], groups.numbers)
    return tuple(
        Candidate(
            slot=slot,
            hash=int(hashes[slot]),
            trace_id=ids[trace].tobytes(),
            start_ns=int(starts[rows[slot]]),
            labels=groups.labels[code],
            unit=number,
            row=int(rows[slot]),
        )
        for slot, trace, code in zip(taken.tolist(), traces.tolist(), codes.tolist(), strict=True)
    )


def join_candidates(parts: Iterable[tuple[Candidate, ...]]) -> tuple[Candidate, ...]:
    """Return the chosen span of each slot."""
    best: dict[int, Candidate] = {}
    for part in parts:
        for candidate in part:
            known = best.get(candidate.slot)
            if known is None or candidate.order < known.order:
                best[candidate.slot] = candidate
    return tuple(best[slot] for slot in sorted(best))


def one_per_trace(chosen: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates without those whose trace has another one of a smaller hash."""
    best: dict[bytes, Candidate] = {}
    for candidate in sorted(chosen, key=lambda c: (c.hash, c.slot)):
        best.setdefault(candidate.trace_id, candidate)
    return tuple(sorted(best.values(), key=lambda c: c.start_ns))
