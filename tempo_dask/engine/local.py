"""Runs work in this process, on Dask's threaded scheduler over one pool of threads for all queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Generic, TypeVar

import dask.threaded

from tempo_dask import telemetry
from tempo_dask.engine.blocking import Asked, BlockingExecutor
from tempo_dask.physical.scan_context import cancelled_by, check_cancelled

Task = TypeVar("Task")
Partial = TypeVar("Partial")

#: Tasks that a share takes at most; between shares other queries have their turn.
_MOST_TASKS = 16

#: Partial results that a share holds before they are combined: together they cost less than one by one.
_MOST_PARTIALS = 8

#: A share that takes so long gets siblings. Threads that end sooner only wait for each other.
_ALONE_S = 0.001


@dataclass(frozen=True, slots=True)
class _Share(Generic[Task, Partial]):
    """What one thread does in turn: it takes the next place until none is left, so threads end together."""

    asked: Asked[Task, Partial]
    places: Iterator[int]  # of all shares; threads may take from it at once
    waiting: set[int]

    def __call__(self) -> Partial:
        self.waiting.discard(id(self))
        found = self._done()
        telemetry.WORK_EXECUTED.inc()
        return found

    def _done(self) -> Partial:
        work, done, count = self.asked.work, list[Partial](), 0
        with cancelled_by(self.asked.cancelled.is_set):
            for place in islice(self.places, _MOST_TASKS):
                check_cancelled()
                done.append(work.chunk(place, work.tasks[place]))
                self.asked.told(1)
                count += 1
                if len(done) > _MOST_PARTIALS:
                    done = [work.combine(done)]
        telemetry.BATCH_SIZE.observe(count)
        return work.combine(done)


@dataclass(slots=True)
class LocalExecutor(BlockingExecutor):
    """The default executor: `threads` threads scan for all queries."""

    threads: int
    _scanners: ThreadPoolExecutor = field(init=False)
    _waiting: set[int] = field(init=False, default_factory=set)  # identities of shares

    def __post_init__(self) -> None:
        self._scanners = ThreadPoolExecutor(self.threads, thread_name_prefix="scan")

    def begun(self, asked: Asked[Task, Partial]) -> _Run[Task, Partial]:
        """Return the work as the threads will do it."""
        return _Run(self, asked)

    @property
    def waiting_tasks(self) -> int:
        """How many shares wait for a thread, of all queries."""
        return len(self._waiting)

    def done(self, asked: Asked[Task, Partial], places: Sequence[int]) -> Sequence[Partial]:
        """Return what tasks find, as parts that are yet to be combined."""
        left = iter(places)
        shares = [_Share(asked, left, self._waiting) for _ in range(self.graph_size(len(places)))]
        known = frozenset(map(id, shares))
        self._waiting.update(known)
        try:
            first = self._scanners.submit(shares[0])
            if len(shares) == 1 or (wait([first], _ALONE_S).done and len(places) <= _MOST_TASKS):
                return [first.result()]
            graph = {("share", number): (share,) for number, share in enumerate(shares[1:])}
            return [*dask.threaded.get(graph, list(graph), pool=self._scanners), first.result()]
        finally:
            self._waiting.difference_update(known)  # those that never had their turn

    def graph_size(self, tasks: int) -> int:
        """Return how many shares so many tasks are dealt out to: few, since each hand-over between threads costs."""
        return min(tasks, max(self.threads, -(-tasks // _MOST_TASKS)))

    def scanning_threads(self) -> int:
        """Return how many threads scan."""
        return self.threads

    def stop_scanning(self) -> None:
        """Stop the threads that scan."""
        self._scanners.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Run(Generic[Task, Partial]):
    """One piece of work while it runs. No thread of this process is ever lost."""

    retries: ClassVar[int] = 0
    executor: LocalExecutor
    asked: Asked[Task, Partial]

    def parts(self, wave: range) -> Iterator[Sequence[Partial]]:
        """Yield what the tasks of these places find, all at once."""
        yield self.executor.done(self.asked, wave)
