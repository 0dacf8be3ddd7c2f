"""Runs of scan units that one task of a metrics query does in turn, so that their cubes are few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from storage.chunk import Chunk
from storage.columns import ScanSource
from tempo_dask.physical.cube_cache import PROCESS_CUBES
from tempo_dask.physical.units import ScanUnit, Shard, numbers_of_units, whole_shard
from tempo_dask.plan.nodes import Plan

#: Units of a run: where a run begins in its source does not depend on the query.
RUN_UNITS = 8


@dataclass(frozen=True, slots=True, eq=False)
class UnitRun:
    """Neighbouring units of one source, in their order; `inspected_spans` are those of the units that were wanted."""

    units: tuple[ScanUnit, ...]
    inspected_spans: int

    @property
    def source(self) -> ScanSource:
        """The source of all of its units."""
        return self.units[0].source

    @property
    def start_ns(self) -> int:
        """When the first of its spans starts."""
        return min(unit.meta.start_ns for unit in self.units)

    @property
    def end_ns(self) -> int:
        """When the last of its spans ends."""
        return max(unit.meta.end_ns for unit in self.units)

    @property
    def is_cubed(self) -> bool:
        """Whether cubes of it are kept: of sealed blocks, not of live chunks and stitched traces."""
        spans = _spans(self.units)
        return PROCESS_CUBES.is_on and spans >= PROCESS_CUBES.least_spans and not isinstance(self.source, Chunk)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what Dask may know the run by."""
        return tuple(unit.__dask_tokenize__() for unit in self.units)


def runs_of(shards: Iterable[Shard], plan: Plan) -> tuple[UnitRun, ...]:
    """Return the runs in which something may match, those that may hold the newest trace first.

    Runs that cubes are kept of are taken whole where half of their units are wanted: the next query may want them all.
    Other units are runs of their own.
    """
    known = list(shards)
    runs = [run for shard in known for run in _runs_of_shard(shard, plan)]
    return tuple(sorted(runs, key=lambda run: (-run.units[-1].newest_start_ns, run.source.meta.id, run.units[0].unit)))


def _runs_of_shard(shard: Shard, plan: Plan) -> Iterator[UnitRun]:
    for number, members in groupby(numbers_of_units(shard, plan), key=lambda unit: unit // RUN_UNITS):
        whole = whole_shard(shard, range(number * RUN_UNITS, (number + 1) * RUN_UNITS))
        few = [whole[unit - number * RUN_UNITS] for unit in members]
        run = UnitRun(whole, _spans(few))
        if run.is_cubed and 2 * len(few) >= len(whole):
            yield run
        else:
            yield from (UnitRun((unit,), _spans([unit])) for unit in few)


def _spans(units: Sequence[ScanUnit]) -> int:
    return sum(unit.meta.stop_span - unit.meta.first_span for unit in units)
