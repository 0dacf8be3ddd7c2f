"""Partition work: what every executor runs, be it on threads, on a cluster or in a dataframe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Task = TypeVar("Task")
Partial = TypeVar("Partial")


@dataclass(frozen=True, slots=True)
class PartitionWork(Generic[Task, Partial]):
    """Tasks, the chunk function that makes a partial result of each, and what joins partial results.

    `chunk` takes the place of the task and the task. `combine` must be associative and commutative, and of
    nothing gives the empty result. `is_complete` says whether the waiting tasks cannot change a result any
    more; where it is None all tasks are needed. All of it must be picklable, since tasks may run elsewhere.
    `task_bytes` bounds what a task decodes, as far as metadata tells; 0 where that is little.
    """

    tasks: tuple[Task, ...]
    chunk: Callable[[int, Task], Partial]
    combine: Callable[[Iterable[Partial]], Partial]
    is_complete: Callable[[Partial, Sequence[Task]], bool] | None = None
    task_bytes: int = 0
    name: str = ""

    @property
    def stage(self) -> str:
        """What the work does, in a word."""
        return self.name or type(self.chunk).__name__.removesuffix("Chunk").lower()
