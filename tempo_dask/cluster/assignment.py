"""Who does which tasks of a query: nodes those of their live spans, workers those of blocks, this process the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
class Batch:
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
    tasks: Sequence[Place], scanners: Sequence[Worker], nodes: Mapping[str, Worker]
) -> Mapping[Worker, Sequence[int]]:
    """Return whose each task is, by places in the work."""
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
        chosen = place(_keys(units for _, units in free), [_spans(units) for _, units in free], scanners)
        for (task, _), worker in zip(free, chosen, strict=True):
            of_worker[scanners[worker]].append(task.place)
    return of_worker


def _keys(tasks: Iterable[Sequence[ScanUnit]]) -> list[int]:
    """Return a hash for each task, the same for neighbours; each is reckoned once."""
    known: dict[tuple[int, int], int] = {}
    found = []
    for units in tasks:
        source, group = units[0].source, units[0].unit // _TOGETHER
        key = known.get((id(source), group))
        if key is None:
            key = known[id(source), group] = hash_of(source.meta.tenant, source.meta.id, group)
        found.append(key)
    return found


def _spans(units: Sequence[ScanUnit]) -> int:
    return sum(unit.meta.stop_span - unit.meta.first_span for unit in units) + 1
