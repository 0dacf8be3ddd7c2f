"""What all executors share: each query waits in a thread of its own, and asks for work in growing waves."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

from tempo_dask import telemetry
from tempo_dask.physical.work import PartitionWork

Task = TypeVar("Task")
Partial = TypeVar("Partial")
Found = TypeVar("Found", covariant=True)

#: Queries that wait at a time.
_MOST_QUERIES = 64

#: Is told of so many more tasks that are done, by any thread.
Told: TypeAlias = Callable[[int], None]


class Run(Protocol[Found]):
    """One piece of work while it runs."""

    def parts(self, wave: range) -> Iterator[Sequence[Found]]:
        """Yield what the tasks of these places find, as it comes; each task is done once."""
        ...

    @property
    def retries(self) -> int:
        """How often something was asked for anew because whoever had it was lost."""
        ...


@dataclass(frozen=True, slots=True)
class Asked(Generic[Task, Partial]):
    """Work that somebody waits for, until `cancelled` is set."""

    work: PartitionWork[Task, Partial]
    cancelled: threading.Event
    told: Told


def tell_nobody(_tasks: int) -> None:
    """Nobody wants to know how far it is."""


@dataclass(slots=True)
class BlockingExecutor(ABC):
    """Runs work while a thread waits for it; subclasses say where."""

    _waiters: ThreadPoolExecutor = field(
        init=False, repr=False, default_factory=lambda: ThreadPoolExecutor(_MOST_QUERIES, thread_name_prefix="query")
    )

    async def run(self, work: PartitionWork[Task, Partial], told: Told = tell_nobody) -> Partial:
        """Return the combined result of the work."""
        cancelled = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._waiters, self.run_now, work, cancelled, told)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def run_now(
        self, work: PartitionWork[Task, Partial], cancelled: threading.Event | None = None, told: Told = tell_nobody
    ) -> Partial:
        """Return the combined result of the work; blocks."""
        run = self.begun(Asked(work, cancelled or threading.Event(), told))
        found = work.combine(())
        for wave in self._waves(work):
            for parts in run.parts(wave):
                found = work.combine([found, *parts])
            if work.is_complete is not None and work.is_complete(found, work.tasks[wave.stop :]):
                break
        telemetry.RETRIES.observe(run.retries)
        return found

    @abstractmethod
    def begun(self, asked: Asked[Task, Partial]) -> Run[Partial]:
        """Return the work as it runs here; nothing of it is done yet."""

    @abstractmethod
    def scanning_threads(self) -> int:
        """Return how many tasks may be done at a time."""

    @abstractmethod
    def stop_scanning(self) -> None:
        """Stop the threads that scan; no query waits any more."""

    def close(self) -> None:
        """Stop the threads; queries that wait for one get none."""
        self._waiters.shutdown(cancel_futures=True)
        self.stop_scanning()

    def _waves(self, work: PartitionWork[Task, Partial]) -> Iterator[range]:
        """Yield the places of tasks to run together: all at once, or growing runs where a few may do."""
        count = len(work.tasks)
        size = count if work.is_complete is None else self.scanning_threads()
        first = 0
        while first < count:
            yield range(first, min(first + size, count))
            first, size = first + size, size * 2
