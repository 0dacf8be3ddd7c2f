"""Work run in waves: what is found so far is known after each of them, whatever executor runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tempo_dask.engine.executors import Executor
from tempo_dask.physical.tags import Tag, Tags
from tempo_dask.physical.work import PartitionWork

Task = TypeVar("Task")
Partial = TypeVar("Partial")

#: Tasks of the first wave; each wave is twice as large as the one before it.
FIRST_WAVE = 4


@dataclass(frozen=True, slots=True)
class Progress(Generic[Task, Partial]):
    """What the tasks that are done have found, and those that wait."""

    found: Partial
    waiting: Sequence[Task]


@dataclass(frozen=True, slots=True)
class _ChunkFrom(Generic[Task, Partial]):
    """A chunk function that is told places counted from the first task of its wave."""

    first: int
    chunk: Callable[[int, Task], Partial]

    def __call__(self, place: int, task: Task) -> Partial:
        return self.chunk(self.first + place, task)


async def in_waves(work: PartitionWork[Task, Partial], executor: Executor) -> AsyncIterator[Progress[Task, Partial]]:
    """Yield what is found after each wave; at the last one nothing waits, and there always is one."""
    found, first, size = work.combine(()), 0, FIRST_WAVE
    while True:
        wave = work.tasks[first : first + size]
        chunk = _ChunkFrom(first, work.chunk)
        part = await executor.run(PartitionWork(wave, chunk, work.combine, task_bytes=work.task_bytes, name=work.stage))
        found, first, size = work.combine([found, part]), first + size, 2 * size
        waiting = work.tasks[first:]
        if work.is_complete is not None and work.is_complete(found, waiting):
            waiting = ()
        yield Progress(found, waiting)
        if not waiting:
            return


async def in_turn(
    known: Tags, work: PartitionWork[Task, Tags], executor: Executor, *, at_once: bool
) -> AsyncIterator[Tags]:
    """Yield `known` and what the work finds besides, each tag once; `at_once`: all together at the end.

    The last tags may be none, and so may be the first, where there are no others.
    """
    found, told = known, frozenset[Tag]()
    async for progress in in_waves(work, executor):
        found = work.combine([found, progress.found])
        if not progress.waiting or (found > told and not at_once):
            yield found - told
            told = found
