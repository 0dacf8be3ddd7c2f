"""A bar for questions that take long."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Generic, TextIO, TypeVar

from tempo_dask.engine.executors import Executor
from tempo_dask.physical.work import PartitionWork

Task = TypeVar("Task")
Partial = TypeVar("Partial")

#: Nothing is shown of what is done sooner.
QUICK_S = 1.0
_TICK_S = 0.1
_WIDTH = 40


@dataclass(frozen=True, slots=True)
class _Counted(Generic[Task, Partial]):
    """A chunk function that counts; `ticks` is one call of C, so threads need no lock."""

    chunk: Callable[[int, Task], Partial]
    ticks: count[int] = field(default_factory=count)

    def __call__(self, place: int, task: Task) -> Partial:
        found = self.chunk(place, task)
        next(self.ticks)
        return found

    @property
    def done(self) -> int:
        """How many tasks are done: the repr of a counter reads it without moving it."""
        return int(repr(self.ticks)[6:-1])


@dataclass(frozen=True, slots=True)
class _Shown:
    """An executor of this process whose work of more than `QUICK_S` shows how far it is."""

    executor: Executor
    out: Callable[[], TextIO]

    async def run(self, work: PartitionWork[Task, Partial]) -> Partial:
        """Return the combined result of the work."""
        counted = _Counted(work.chunk)
        named = replace(work, chunk=counted, name=work.stage)
        bar = asyncio.create_task(self._show(counted, len(work.tasks), work.stage))
        try:
            return await self.executor.run(named)
        finally:
            bar.cancel()
            await asyncio.gather(bar, return_exceptions=True)

    def graph_size(self, tasks: int) -> int:
        """Return what the executor says."""
        return self.executor.graph_size(tasks)

    def close(self) -> None:
        """Stop the executor."""
        self.executor.close()

    async def _show(self, counted: _Counted[Any, Any], tasks: int, stage: str) -> None:
        started = time.perf_counter()
        await asyncio.sleep(QUICK_S)
        out = self.out()
        try:
            while True:
                out.write(f"\r{bar_text(counted.done, tasks)} {stage}, {time.perf_counter() - started:.1f} s")
                out.flush()
                await asyncio.sleep(_TICK_S)
        finally:
            out.write(f"\r{' ' * (_WIDTH + 60)}\r")
            out.flush()


def shown_progress(executor: Executor, out: Callable[[], TextIO] = lambda: sys.stderr) -> Executor:
    """Return an executor that shows a bar of text for long work on what `out` gives, and wipes it in the end."""
    return _Shown(executor, out)


def bar_text(done: int, tasks: int) -> str:
    """Return a bar.

    >>> bar_text(1, 4)
    '[##########                              ] 1 of 4'
    """
    filled = _WIDTH * done // max(tasks, 1)
    return f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {done} of {tasks}"
