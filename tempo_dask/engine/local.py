"""Runs work in this process, on Dask's threaded scheduler over one pool of threads for all queries."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import dask.threaded

from tempo_dask import telemetry
from tempo_dask.physical.scan_context import cancelled_by, check_cancelled
from tempo_dask.physical.work import PartitionWork

Task = TypeVar("Task")
Partial = TypeVar("Partial")

#: Tasks of a graph per thread: enough to even out their lengths, few enough to cost nothing.
_TASKS_PER_THREAD = 2

#: Partial results that a share holds before they are combined: together they cost less than one by one.
_MOST_PARTIALS = 8


@dataclass(frozen=True, slots=True)
class _Share(Generic[Task, Partial]):
    """A few tasks that one thread does in turn."""

    work: PartitionWork[Task, Partial]
    places: Sequence[int]
    cancelled: threading.Event
    waiting: set[int]

    def __call__(self) -> Partial:
        self.waiting.discard(id(self))
        telemetry.BATCH_SIZE.observe(len(self.places))
        found = self._done()
        telemetry.WORK_EXECUTED.inc()
        return found

    def _done(self) -> Partial:
        work, done = self.work, list[Partial]()
        with cancelled_by(self.cancelled.is_set):
            for place in self.places:
                check_cancelled()
                done.append(work.chunk(place, work.tasks[place]))
                if len(done) > _MOST_PARTIALS:
                    done = [work.combine(done)]
        return work.combine(done)


@dataclass(slots=True)
class LocalExecutor:
    """The default executor: `threads` threads scan for all queries, each query waits in a thread of its own."""

    threads: int
    _scanners: ThreadPoolExecutor = field(init=False)
    _waiters: ThreadPoolExecutor = field(init=False)
    _waiting: set[int] = field(init=False, default_factory=set)  # identities of shares

    def __post_init__(self) -> None:
        self._scanners = ThreadPoolExecutor(self.threads, thread_name_prefix="scan")
        self._waiters = ThreadPoolExecutor(64, thread_name_prefix="query")

    async def run(self, work: PartitionWork[Task, Partial]) -> Partial:
        """Return the combined result of the work."""
        cancelled = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._waiters, self.run_now, work, cancelled)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def run_now(self, work: PartitionWork[Task, Partial], cancelled: threading.Event | None = None) -> Partial:
        """Return the combined result of the work; blocks."""
        stop = cancelled if cancelled is not None else threading.Event()
        found = work.combine(())
        for wave in self._waves(work):
            count = self.graph_size(len(wave))
            shares = [_Share(work, wave[n::count], stop, self._waiting) for n in range(count)]
            found = work.combine([found, *self._done(shares)])
            if work.is_complete is not None and work.is_complete(found, work.tasks[wave.stop :]):
                break
        telemetry.RETRIES.observe(0)
        return found

    @property
    def waiting_tasks(self) -> int:
        """How many shares wait for a thread, of all queries."""
        return len(self._waiting)

    def _done(self, shares: Sequence[_Share[Task, Partial]]) -> Sequence[Partial]:
        """Return what the shares find, in their order."""
        known = frozenset(map(id, shares))
        self._waiting.update(known)
        try:
            if len(shares) == 1:  # no graph to run
                return [self._scanners.submit(shares[0]).result()]
            graph = {("share", number): (share,) for number, share in enumerate(shares)}
            return cast("list[Partial]", dask.threaded.get(graph, list(graph), pool=self._scanners))
        finally:
            self._waiting.difference_update(known)  # those that never had their turn

    def graph_size(self, tasks: int) -> int:
        """Return how many shares so many tasks are dealt out to."""
        return min(tasks, self.threads * _TASKS_PER_THREAD)

    def close(self) -> None:
        """Stop the threads."""
        self._waiters.shutdown(cancel_futures=True)
        self._scanners.shutdown(cancel_futures=True)

    def _waves(self, work: PartitionWork[Task, Partial]) -> Iterator[range]:
        """Yield the places of tasks to run together: all at once, or growing runs where a few may do."""
        count = len(work.tasks)
        size = count if work.is_complete is None else self.threads
        first = 0
        while first < count:
            yield range(first, min(first + size, count))
            first, size = first + size, size * 2
