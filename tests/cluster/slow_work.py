"""Work that takes its time, so that there is time to lose a worker; workers import it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from storage.columns import ScanSource
from tempo_dask.physical.search import match_work
from tempo_dask.physical.units import ScanUnit, Shard
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.build import build_search
from tempo_dask.plan.nodes import NewestTraces, TimeRange
from traceql import parse


@dataclass(frozen=True)
class SlowCount:
    """Counts the spans of units by what they are called."""

    seconds: float

    def __call__(self, place: int, unit: ScanUnit) -> Counter[str]:
        time.sleep(self.seconds)
        starts = unit.source.read("spans", "start", unit.unit)
        assert starts is not None
        return Counter({f"{place} {unit.source.meta.id} {unit.unit}": len(starts.data)})


def join(parts: Iterable[Counter[str]]) -> Counter[str]:
    """Add up; a unit that is counted twice counts double."""
    return sum(parts, Counter())


def slow_count(sources: Iterable[ScanSource], seconds: float) -> PartitionWork[ScanUnit, Counter[str]]:
    """Return the work that counts all units, each in so many seconds."""
    newest = NewestTraces(1, 1)
    everything = build_search(parse("{}"), TimeRange(0, 2**62), newest)
    units = match_work(everything, newest, [Shard(source) for source in sources]).tasks
    return PartitionWork(units, SlowCount(seconds), join)


def counted(sources: Iterable[ScanSource]) -> int:
    """Return how many spans there are."""
    return sum(source.meta.span_count for source in sources)
