"""Scan units: what one task reads and evaluates, and which of them a plan needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from storage.columns import ScanSource, UnitMeta
from tempo_dask.physical.satisfiable import may_match
from tempo_dask.plan.nodes import Plan


def _no_rows() -> npt.NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ScanUnit:
    """One unit of a source; traces of the rows `excluded` are evaluated elsewhere, stitched together.

    `newest_start_ns` bounds the trace starts of the unit from above.
    """

    source: ScanSource
    unit: int
    excluded: npt.NDArray[np.int64] = field(default_factory=_no_rows)
    newest_start_ns: int = 2**63 - 1

    @property
    def meta(self) -> UnitMeta:
        """What is known of the unit."""
        return self.source.meta.units[self.unit]

    @property
    def end_ns(self) -> int:
        """When the last of its spans ends."""
        return self.meta.end_ns

    @property
    def traces(self) -> int:
        """How many traces are evaluated here."""
        return self.meta.stop_trace - self.meta.first_trace - len(self.excluded)

    def __dask_tokenize__(self) -> tuple[str, str, int, bytes]:
        """Return what Dask may know the unit by: rows of a source never change, its tenant keeps it apart."""
        return self.source.meta.tenant, self.source.meta.id, self.unit, self.excluded.tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """A source without the traces that are stitched."""

    source: ScanSource
    excluded: npt.NDArray[np.int64] = field(default_factory=_no_rows)


#: What the columns of a usual query take of memory while a unit is scanned, masks and all.
_BYTES_PER_SPAN = 128


def decoded_bytes(units: Iterable[ScanUnit]) -> int:
    """Return about how many bytes the largest of the units takes while it is scanned."""
    return max((_BYTES_PER_SPAN * (unit.meta.stop_span - unit.meta.first_span) for unit in units), default=0)


def units_of(shards: Iterable[Shard], plan: Plan) -> tuple[ScanUnit, ...]:
    """Return the units in which something may match, those that may hold the newest trace first."""
    if plan.is_empty:
        return ()
    units = [unit for shard in shards for unit in _units_of_shard(shard, plan)]
    return tuple(sorted(units, key=lambda unit: (-unit.newest_start_ns, unit.source.meta.id, unit.unit)))


def _units_of_shard(shard: Shard, plan: Plan) -> Iterator[ScanUnit]:
    yield from (_unit(shard, number) for number in numbers_of_units(shard, plan))


def numbers_of_units(shard: Shard, plan: Plan) -> list[int]:
    """Return which units of a shard may hold a match."""
    meta, start_ns, end_ns = shard.source.meta, plan.window.start_ns, plan.window.end_ns
    # The time first: of some sources the columns are not known before they are read.
    if plan.is_empty or meta.start_ns > end_ns or meta.end_ns < start_ns or not may_match(plan.stages, meta):
        return []
    if len(shard.excluded) and len(shard.excluded) == meta.units[-1].stop_trace:  # each of its traces is stitched
        return []
    return [number for number, unit in enumerate(meta.units) if unit.start_ns <= end_ns and unit.end_ns >= start_ns]


def whole_shard(shard: Shard, numbers: range) -> tuple[ScanUnit, ...]:
    """Return the units of these numbers, as far as there are so many."""
    return tuple(_unit(shard, number) for number in numbers[: len(shard.source.meta.units) - numbers.start])


def _unit(shard: Shard, number: int) -> ScanUnit:
    units = shard.source.meta.units
    unit = units[number]
    # Traces stand in order of their start, so those of a unit start no later than the next unit's first.
    after = units[number + 1] if number + 1 < len(units) else unit
    newest_start_ns = unit.end_ns if after is unit else min(unit.end_ns, after.start_ns)
    excluded = shard.excluded
    if len(excluded):
        excluded = excluded[slice(*np.searchsorted(excluded, (unit.first_trace, unit.stop_trace)))]
    return ScanUnit(shard.source, number, excluded, newest_start_ns)
