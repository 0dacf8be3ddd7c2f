"""Runs work on the workers of a cluster: each gets a few shares, and what they find is joined as it comes back.

What cannot be done there is done here: traces that were stitched here, all of it where there are no workers, and what
a lost worker was asked for once no other one is left. So a query ends whatever happens to the cluster.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tempo_dask import telemetry
from tempo_dask.cluster.assignment import HERE, Assignment, Place, assigned
from tempo_dask.cluster.link import Link, WorkerFailed
from tempo_dask.cluster.members import Members
from tempo_dask.cluster.shares import Share, ShareFailed, do_share, result_of, stop_share
from tempo_dask.cluster.travel import pack
from tempo_dask.cluster.watch import Watch, WorkerLost
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.physical.scan_context import QueryCancelled
from tempo_dask.physical.work import PartitionWork

log = logging.getLogger(__name__)

Task = TypeVar("Task")
Partial = TypeVar("Partial")

#: How soon a query that nobody waits for is given up.
TICK_S = 0.1


@dataclass(slots=True)
class ClusterExecutor:
    """Work on the workers that there are; each query waits in a thread of this process."""

    link: Link
    watch: Watch
    members: Members
    here: LocalExecutor
    _waiting: dict[int, int] = field(init=False, default_factory=dict)  # tasks by query
    _waiters: ThreadPoolExecutor = field(init=False)
    _here: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._waiters = ThreadPoolExecutor(64, thread_name_prefix="query")
        self._here = ThreadPoolExecutor(64, thread_name_prefix="here")

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
        run = _Run(self, work, cancelled if cancelled is not None else threading.Event())
        found = work.combine(())
        for wave in self._waves(work):
            for part in run.parts(wave):
                found = work.combine([found, part])
            if work.is_complete is not None and work.is_complete(found, work.tasks[wave.stop :]):
                break
        telemetry.RETRIES.observe(len(run.lost))
        return found

    @property
    def waiting_tasks(self) -> int:
        """How many tasks were asked for and are not done, of all queries."""
        return sum(list(self._waiting.values()))

    def tell_waiting(self, query: int, tasks: int) -> None:
        """Note how many tasks of a query are not done."""
        self._waiting[query] = tasks
        if not tasks:
            del self._waiting[query]

    def graph_size(self, tasks: int) -> int:
        """Return how many shares so many tasks are dealt out to."""
        return min(tasks, 2 * self._threads())

    def close(self) -> None:
        """Stop the threads; what holds the connections is closed by whoever opened it."""
        self._waiters.shutdown(cancel_futures=True)
        self._here.shutdown(cancel_futures=True)
        self.here.close()

    def start(self, work: PartitionWork[Task, Partial], share: Assignment, stop: threading.Event) -> Future[Partial]:
        """Begin a share. The future raises WorkerLost, ShareFailed, or what a chunk raises."""
        tasks = [(place, work.tasks[place]) for place in share.places]
        if share.worker is not HERE:
            try:
                packed = pack(Share(work.chunk, work.combine, tasks))
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                log.warning("work cannot travel, so it is done here: %s", error)
            else:
                return self.link.submit(self._done(share.worker.address, packed))
        chunk: _Placed[Task, Partial] = _Placed(work.chunk)
        placed = PartitionWork(tuple(tasks), chunk, work.combine)
        return self._here.submit(self.here.run_now, placed, stop)

    async def _done(self, address: str, packed: bytes) -> Any:
        """Return what a worker finds. For the link's loop."""
        token = uuid.uuid4().hex
        try:
            answer = await self.watch.over(address, self.link.ask(address, do_share, packed, token))
        except asyncio.CancelledError:
            self.link.submit(self._stopped(address, token))
            raise
        except WorkerFailed as error:
            raise ShareFailed(str(error)) from error
        return await asyncio.to_thread(result_of, answer)

    async def _stopped(self, address: str, token: str) -> None:
        """Tell a worker that nobody waits for a share."""
        try:
            async with asyncio.timeout(1.0):
                await self.link.ask(address, stop_share, token)
        except (OSError, TimeoutError, WorkerFailed):
            log.debug("%s was not told to stop", address)

    def _threads(self) -> int:
        return sum(worker.threads for worker in self.members.workers) or self.here.threads

    def _waves(self, work: PartitionWork[Task, Partial]) -> Iterator[range]:
        """Yield the places of tasks to run together: all at once, or growing runs where a few may do."""
        count = len(work.tasks)
        size = count if work.is_complete is None else self._threads()
        first = 0
        while first < count:
            yield range(first, min(first + size, count))
            first, size = first + size, size * 2


@dataclass(frozen=True, slots=True)
class _Placed(Generic[Task, Partial]):
    """A chunk function of tasks that bring their places in the whole work."""

    chunk: Any

    def __call__(self, _number: int, placed: tuple[int, Task]) -> Partial:
        found: Partial = self.chunk(*placed)
        return found


@dataclass(slots=True)
class _Run(Generic[Task, Partial]):
    """One piece of work while it runs; `lost` are workers that it does not ask again."""

    executor: ClusterExecutor
    work: PartitionWork[Task, Partial]
    cancelled: threading.Event
    lost: set[str] = field(default_factory=set)

    def parts(self, places: Sequence[int]) -> Iterator[Partial]:
        """Yield what shares find, as they are done; between them all of these tasks, once each."""
        stop = threading.Event()
        waiting = self._started(self._assigned(places), stop)
        try:
            while waiting:
                self.executor.tell_waiting(id(self), sum(len(share.places) for share in waiting.values()))
                done, _ = wait(waiting, TICK_S, FIRST_COMPLETED)
                if self.cancelled.is_set():
                    msg = "the query was cancelled"
                    raise QueryCancelled(msg)
                for future in done:
                    share = waiting.pop(future)
                    try:
                        found = future.result()
                    except WorkerLost as error:
                        waiting |= self._started(self._after_loss(share, error), stop)
                    except ShareFailed as error:
                        log.warning("a worker failed, its share is done here: %s", error)
                        waiting |= self._started([Assignment(HERE, share.places)], stop)
                    else:
                        if share.worker is not HERE:  # what is done here is counted where it is done
                            telemetry.BATCH_SIZE.observe(len(share.places))
                            telemetry.WORK_EXECUTED.inc()
                        yield found
        finally:
            stop.set()
            self.executor.tell_waiting(id(self), 0)
            for future in waiting:
                future.cancel()

    def _started(self, shares: Sequence[Assignment], stop: threading.Event) -> dict[Future[Partial], Assignment]:
        return {self.executor.start(self.work, share, stop): share for share in shares}

    def _assigned(self, places: Sequence[int]) -> list[Assignment]:
        members = self.executor.members
        scanners = [worker for worker in members.scanners if worker.address not in self.lost]
        nodes = {w.node: w for w in members.workers if w.node and w.address not in self.lost}
        per_thread = 2 if self.work.is_complete is None else 1
        return assigned([Place(place, self.work.tasks[place]) for place in places], scanners, nodes, per_thread)

    def _after_loss(self, share: Assignment, error: WorkerLost) -> list[Assignment]:
        """Deal the tasks of a lost worker out to the others."""
        if share.worker is not HERE and share.worker.address not in self.lost:
            log.warning("worker %s is lost, others do its share: %s", share.worker.address, error)
            self.lost.add(share.worker.address)
            self.executor.members.suspend(share.worker.address)
        return self._assigned(share.places)
