"""Work that says what it cost, and that goes on without a block that cannot be read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from storage.columns import TableName
from storage.errors import DamagedBlock
from tempo_dask.physical.scan_context import counting_reads
from tempo_dask.physical.work import PartitionWork

log = logging.getLogger(__name__)

Task = TypeVar("Task")
Partial = TypeVar("Partial")


@dataclass(frozen=True, slots=True)
class Cost:
    """What tasks took: how many were done, seconds of threads, bytes by table and column, what could not be read."""

    tasks: int = 0
    seconds: float = 0.0
    columns: Mapping[tuple[TableName, str], int] = field(default_factory=dict)
    failures: frozenset[str] = frozenset()

    @property
    def bytes(self) -> int:
        """Bytes of all columns."""
        return sum(self.columns.values())


def join_costs(costs: Iterable[Cost]) -> Cost:
    """Return what all of them took together."""
    tasks, seconds, failures = 0, 0.0, frozenset[str]()
    columns: dict[tuple[TableName, str], int] = {}
    for cost in costs:
        tasks, seconds, failures = tasks + cost.tasks, seconds + cost.seconds, failures | cost.failures
        for column, size_bytes in cost.columns.items():
            columns[column] = columns.get(column, 0) + size_bytes
    return Cost(tasks, seconds, columns, failures)


@dataclass(frozen=True, slots=True)
class Metered(Generic[Partial]):
    """A partial result and what it cost."""

    partial: Partial
    cost: Cost


def metered(work: PartitionWork[Task, Partial]) -> PartitionWork[Task, Metered[Partial]]:
    """Return the same work with its cost; tasks whose block turns out to be damaged find nothing and say so."""
    is_complete: _IsComplete[Task, Partial] | None = None if work.is_complete is None else _IsComplete(work.is_complete)
    chunk = _Chunk(work.chunk, work.combine)
    return PartitionWork(work.tasks, chunk, _Combine(work.combine), is_complete, work.task_bytes, work.stage)


@dataclass(frozen=True, slots=True)
class _Chunk(Generic[Task, Partial]):
    chunk: Callable[[int, Task], Partial]
    combine: Callable[[Iterable[Partial]], Partial]

    def __call__(self, place: int, task: Task) -> Metered[Partial]:
        started = time.perf_counter()
        with counting_reads() as columns:
            try:
                partial, tasks, failures = self.chunk(place, task), 1, frozenset[str]()
            except DamagedBlock as error:
                log.warning("a block cannot be read, its spans are left out: %s", error)
                partial, tasks, failures = self.combine(()), 0, frozenset({str(error)})
        return Metered(partial, Cost(tasks, time.perf_counter() - started, columns, failures))


@dataclass(frozen=True, slots=True)
class _Combine(Generic[Partial]):
    combine: Callable[[Iterable[Partial]], Partial]

    def __call__(self, parts: Iterable[Metered[Partial]]) -> Metered[Partial]:
        known = list(parts)
        return Metered(self.combine([part.partial for part in known]), join_costs(part.cost for part in known))


@dataclass(frozen=True, slots=True)
class _IsComplete(Generic[Task, Partial]):
    is_complete: Callable[..., bool]

    def __call__(self, found: Metered[Partial], waiting: object) -> bool:
        return self.is_complete(found.partial, waiting)
