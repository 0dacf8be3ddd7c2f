"""Both passes of a search as partition work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain

from tempo_dask.physical.display import Display, DisplayTask, display
from tempo_dask.physical.matches import Match, MatchChunk, Matches, is_complete, newest_of
from tempo_dask.physical.units import ScanUnit, Shard, decoded_bytes, units_of
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import NewestTraces, Plan, ShownAttribute


def match_work(plan: Plan, newest: NewestTraces, shards: Iterable[Shard]) -> PartitionWork[ScanUnit, Matches]:
    """Return the first pass: the newest traces that match."""
    units = units_of(shards, plan)
    return PartitionWork(
        units,
        MatchChunk.of(plan, newest),
        partial(newest_of, limit=newest.limit),
        partial(is_complete, limit=newest.limit),
        decoded_bytes(units),
    )


def display_work(plan: Plan, matches: Matches, units: tuple[ScanUnit, ...]) -> PartitionWork[DisplayTask, Display]:
    """Return the second pass: what is shown of the matches, found in these units."""
    by_unit: dict[int, list[Match]] = defaultdict(list)
    for match in matches:
        by_unit[match.unit].append(match)
    tasks = tuple(_task(number, units[number], tuple(found)) for number, found in by_unit.items())
    return PartitionWork(tasks, DisplayChunk(plan.shown), join_displays)


@dataclass(frozen=True, slots=True)
class DisplayChunk:
    """Reads what is shown."""

    shown: tuple[ShownAttribute, ...]

    def __call__(self, number: int, task: DisplayTask) -> Display:  # noqa: ARG002  # all chunks are called so
        """Return what is shown of the spans and traces of one unit."""
        return display(task, self.shown)


def join_displays(parts: Iterable[Display]) -> Display:
    """Return all that is shown."""
    known = list(parts)
    return Display(
        dict(chain.from_iterable(part.traces.items() for part in known)),
        dict(chain.from_iterable(part.spans.items() for part in known)),
    )


def _task(number: int, unit: ScanUnit, matches: Matches) -> DisplayTask:
    spans = {row for match in matches for matched in match.sets for row in matched.rows}
    return DisplayTask(number, unit, tuple(match.trace for match in matches), tuple(sorted(spans)))
