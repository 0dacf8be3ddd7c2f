"""Runs work on the workers of a cluster: each is given batches of its own, and what they find is joined as it comes.

What cannot be done there is done here: traces that were stitched here, all of it where there are no workers, and what
a lost worker was asked for once no other one is left. So a query ends whatever happens to the cluster.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tempo_dask.cluster.assignment import HERE, Batch
from tempo_dask.cluster.dealing import batches
from tempo_dask.cluster.link import Link, WorkerFailed
from tempo_dask.cluster.members import Members
from tempo_dask.cluster.run import ClusterRun
from tempo_dask.cluster.shares import Share, ShareFailed, do_share, result_of, stop_share
from tempo_dask.cluster.travel import pack
from tempo_dask.cluster.watch import Watch
from tempo_dask.engine.blocking import Asked, BlockingExecutor
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.physical.work import PartitionWork

log = logging.getLogger(__name__)

Task = TypeVar("Task")
Partial = TypeVar("Partial")

#: An answer of more bytes is read beside the loop, which has others to listen to.
_LARGE_BYTES = 65_536


@dataclass(slots=True)
class ClusterExecutor(BlockingExecutor):
    """Work on the workers that there are."""

    link: Link
    watch: Watch
    members: Members
    here: LocalExecutor
    _waiting: dict[int, int] = field(init=False, default_factory=dict)  # tasks by query
    _here: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._here = ThreadPoolExecutor(64, thread_name_prefix="here")

    def begun(self, asked: Asked[Task, Partial]) -> ClusterRun[Task, Partial]:
        """Return the work as the workers will do it."""
        return ClusterRun(self, asked)

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
        """Return about how many batches so many tasks are dealt out in."""
        return batches(tasks, self.scanning_threads())

    def scanning_threads(self) -> int:
        """Return how many threads scan, of all workers."""
        return sum(worker.threads for worker in self.members.workers) or self.here.threads

    def stop_scanning(self) -> None:
        """Stop the threads; what holds the connections is closed by whoever opened it."""
        self._here.shutdown(cancel_futures=True)
        self.here.close()

    def start(self, asked: Asked[Task, Partial], batch: Batch, stop: threading.Event) -> Future[Partial]:
        """Begin a batch. The future raises WorkerLost, ShareFailed, or what a chunk raises."""
        work = asked.work
        tasks = [(place, work.tasks[place]) for place in batch.places]
        if batch.worker is not HERE:
            try:
                packed = pack(Share(work.chunk, work.combine, tasks))
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                log.warning("work cannot travel, so it is done here: %s", error)
            else:
                return self.link.submit(self._done(batch.worker.address, packed))
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
        return result_of(answer) if len(answer) < _LARGE_BYTES else await asyncio.to_thread(result_of, answer)

    async def _stopped(self, address: str, token: str) -> None:
        """Tell a worker that nobody waits for a share."""
        try:
            async with asyncio.timeout(1.0):
                await self.link.ask(address, stop_share, token)
        except (OSError, TimeoutError, WorkerFailed):
            log.debug("%s was not told to stop", address)


@dataclass(frozen=True, slots=True)
class _Placed(Generic[Task, Partial]):
    """A chunk function of tasks that bring their places in the whole work."""

    chunk: Any

    def __call__(self, _number: int, placed: tuple[int, Task]) -> Partial:
        found: Partial = self.chunk(*placed)
        return found
