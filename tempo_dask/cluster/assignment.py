"""Who does which tasks of a query: nodes those of their live spans, workers those of blocks, this process the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.chunk import Chunk
from storage.columns import ScanSource
from tempo_dask.cluster.elsewhere import DistantChunk
from tempo_dask.cluster.members import Worker
from tempo_dask.cluster.placement import hash_of, place
from tempo_dask.physical.units import ScanUnit

#: Neighbouring units of a source go to the same worker, whether a query takes them one by one or as a run.
_TOGETHER = 8
#: This process, among workers.
HERE = Worker("", 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A task and its place in the work."""

    place: int
    task: object


@dataclass(frozen=True, slots=True)
class Assignment:
    """Tasks, by their places in the work, that one thread of a worker does in turn."""

    worker: Worker
    places: Sequence[int]


def scanned_units(task: object) -> Sequence[ScanUnit]:
    """Return the units, all of one source, that a task scans; none for tasks on whole sources: those look ids up."""
    inner = getattr(task, "run", task)
    units: Sequence[ScanUnit] = getattr(inner, "units", ())
    unit = inner if isinstance(inner, ScanUnit) else getattr(inner, "unit", None)
    return (unit,) if isinstance(unit, ScanUnit) else units


def assigned(
    tasks: Sequence[Place], scanners: Sequence[Worker], nodes: Mapping[str, Worker], per_thread: int
) -> list[Assignment]:
    """Deal tasks out, at most `per_thread` shares to each thread of a worker, the first tasks first."""
    of_worker: dict[Worker, list[int]] = defaultdict(list)
    free: list[tuple[Place, Sequence[ScanUnit]]] = []
    for task in tasks:
        units = scanned_units(task.task)
        source: ScanSource | None = units[0].source if units else None
        if isinstance(source, DistantChunk):
            of_worker[nodes.get(source.node, HERE)].append(task.place)
        elif source is None or isinstance(source, Chunk) or not scanners:
            of_worker[HERE].append(task.place)
        else:
            free.append((task, units))
    if free:
        chosen = place([_key(units) for _, units in free], [_spans(units) for _, units in free], scanners)
        for (task, _), worker in zip(free, chosen, strict=True):
            of_worker[scanners[worker]].append(task.place)
    return [share for worker, places in of_worker.items() for share in _shares(worker, sorted(places), per_thread)]


def _key(units: Sequence[ScanUnit]) -> int:
    meta = units[0].source.meta
    return hash_of(meta.tenant, meta.id, units[0].unit // _TOGETHER)


def _spans(units: Sequence[ScanUnit]) -> int:
    return sum(unit.meta.stop_span - unit.meta.first_span for unit in units) + 1


def _shares(worker: Worker, places: Sequence[int], per_thread: int) -> list[Assignment]:
    """Cut what a worker does into shares. This process deals its own out itself."""
    count = 1 if worker is HERE else min(len(places), worker.threads * per_thread)
    return [Assignment(worker, places[first::count]) for first in range(count)]
