"""A bar for questions that take long."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TextIO, TypeVar

from tempo_dask.engine.blocking import Told
from tempo_dask.engine.executors import Executor
from tempo_dask.physical.work import PartitionWork

Task = TypeVar("Task")
Partial = TypeVar("Partial")

#: Nothing is shown of what is done sooner.
QUICK_S = 1.0
_TICK_S = 0.1
_WIDTH = 40


class Telling(Executor, Protocol):
    """An executor that says how far it is: in this process, or on a cluster."""

    async def run(self, work: PartitionWork[Task, Partial], told: Told = ...) -> Partial:
        """Return the combined result of the work; `told` is called with how many more tasks are done."""
        ...


@dataclass(slots=True)
class _Count:
    """How many tasks are done; told by any thread."""

    done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, tasks: int) -> None:
        """Note that so many more are done."""
        with self._lock:
            self.done += tasks


@dataclass(frozen=True, slots=True)
class _Shown:
    """An executor whose work of more than `QUICK_S` shows how far it is."""

    executor: Telling
    out: Callable[[], TextIO]

    async def run(self, work: PartitionWork[Task, Partial]) -> Partial:
        """Return the combined result of the work."""
        count = _Count()
        bar = asyncio.create_task(self._show(count, len(work.tasks), work.stage))
        try:
            return await self.executor.run(work, count.add)
        finally:
            bar.cancel()
            await asyncio.gather(bar, return_exceptions=True)

    def graph_size(self, tasks: int) -> int:
        """Return what the executor says."""
        return self.executor.graph_size(tasks)

    def close(self) -> None:
        """Stop the executor."""
        self.executor.close()

    async def _show(self, count: _Count, tasks: int, stage: str) -> None:
        started = time.perf_counter()
        await asyncio.sleep(QUICK_S)
        out = self.out()
        try:
            while True:
                out.write(f"\r{bar_text(count.done, tasks)} {stage}, {time.perf_counter() - started:.1f} s")
                out.flush()
                await asyncio.sleep(_TICK_S)
        finally:
            out.write(f"\r{' ' * (_WIDTH + 60)}\r")
            out.flush()


def shown_progress(executor: Telling, out: Callable[[], TextIO] = lambda: sys.stderr) -> Executor:
    """Return an executor that shows a bar of text for long work on what `out` gives, and wipes it in the end."""
    return _Shown(executor, out)


def bar_text(done: int, tasks: int) -> str:
    """Return a bar.

    >>> bar_text(1, 4)
    '[##########                              ] 1 of 4'
    """
    filled = _WIDTH * done // max(tasks, 1)
    return f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {done} of {tasks}"
