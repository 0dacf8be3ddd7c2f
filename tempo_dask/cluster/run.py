"""One piece of work while workers do it: who is asked for what, and what becomes of that where a worker is lost."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from tempo_dask import telemetry
from tempo_dask.cluster.assignment import HERE, Batch, Place, assigned
from tempo_dask.cluster.dealing import IN_HAND, Deal
from tempo_dask.cluster.members import Members, Worker
from tempo_dask.cluster.shares import ShareFailed
from tempo_dask.cluster.watch import WorkerLost
from tempo_dask.engine.blocking import Asked
from tempo_dask.physical.scan_context import QueryCancelled

log = logging.getLogger(__name__)

Task = TypeVar("Task")
Partial = TypeVar("Partial")

#: How soon a query that nobody waits for is given up.
TICK_S = 0.1


class Starter(Protocol):
    """Starts batches on workers, and knows those."""

    @property
    def members(self) -> Members:
        """Who there is."""
        ...

    def start(self, asked: Asked[Task, Partial], batch: Batch, stop: threading.Event) -> Future[Partial]:
        """Begin a batch. The future raises WorkerLost, ShareFailed, or what a chunk raises."""
        ...

    def tell_waiting(self, query: int, tasks: int) -> None:
        """Note how many tasks of a query are not done."""
        ...


@dataclass(slots=True)
class ClusterRun(Generic[Task, Partial]):
    """Work on a cluster; `lost` are workers that it does not ask again."""

    executor: Starter
    asked: Asked[Task, Partial]
    lost: set[str] = field(default_factory=set)

    @property
    def retries(self) -> int:
        """How many workers were lost."""
        return len(self.lost)

    def parts(self, wave: range) -> Iterator[Sequence[Partial]]:
        """Yield what batches find, as they are done; between them all of these tasks, once each."""
        running = _Wave(self, len(wave))
        try:
            running.deal_out(wave)
            while running.batches:
                yield running.found()
        finally:
            running.end()

    def assigned(self, places: Sequence[int]) -> dict[Worker, Sequence[int]]:
        """Return whose tasks these are, of the workers that are left."""
        members = self.executor.members
        scanners = [worker for worker in members.scanners if worker.address not in self.lost]
        nodes = {w.node: w for w in members.workers if w.node and w.address not in self.lost}
        return dict(assigned([Place(place, self.asked.work.tasks[place]) for place in places], scanners, nodes))

    def lose(self, worker: Worker, error: WorkerLost) -> None:
        """Leave a worker out from now on."""
        if worker.address not in self.lost:
            log.warning("worker %s is lost, others do its share: %s", worker.address, error)
            self.lost.add(worker.address)
            self.executor.members.suspend(worker.address)


@dataclass(slots=True)
class _Wave(Generic[Task, Partial]):
    """Tasks that are dealt out together; `batches` are those that somebody has in hand."""

    run: ClusterRun[Task, Partial]
    tasks_left: int
    deal: Deal = field(default_factory=Deal)
    batches: dict[Future[Partial], Batch] = field(default_factory=dict)
    _in_hand: Counter[Worker] = field(default_factory=Counter)
    _done: SimpleQueue[Future[Partial]] = field(default_factory=SimpleQueue)
    _stop: threading.Event = field(default_factory=threading.Event)

    def deal_out(self, places: Sequence[int]) -> None:
        """Give tasks to those that have them cached, as much as they can take at a time."""
        of_worker = self.run.assigned(places)
        if HERE in of_worker:
            self._start(Batch(HERE, of_worker.pop(HERE)))
        self.deal.add(of_worker)
        for worker in of_worker:
            self._hand_on(worker)
        self.run.executor.tell_waiting(id(self), self.tasks_left)

    def found(self) -> Sequence[Partial]:
        """Wait, and return what is found by then; whoever is done has new tasks first. Raises QueryCancelled."""
        parts = [part for future in self._some_done() for part in self._outcome(future)]
        if self.tasks_left:
            self.run.executor.tell_waiting(id(self), self.tasks_left)
        return parts

    def end(self) -> None:
        """Give up what is in hand."""
        self._stop.set()
        self.run.executor.tell_waiting(id(self), 0)
        for future in self.batches:
            future.cancel()

    def _hand_on(self, worker: Worker) -> None:
        """Give a worker batches as long as it takes any."""
        if worker.address in self.run.lost:
            return
        while self._in_hand[worker] < IN_HAND * worker.threads:
            places = self.deal.next_batch(worker, self._in_hand[worker])
            if not places:
                return
            self._start(Batch(worker, places))

    def _start(self, batch: Batch) -> None:
        future = self.run.executor.start(self.run.asked, batch, self._stop)
        self.batches[future] = batch
        self._in_hand[batch.worker] += 1
        future.add_done_callback(self._done.put)

    def _some_done(self) -> list[Future[Partial]]:
        """Wait for a batch that is done, and return all that are."""
        while True:
            if self.run.asked.cancelled.is_set():
                msg = "the query was cancelled"
                raise QueryCancelled(msg)
            try:
                done = [self._done.get(timeout=TICK_S)]
            except Empty:
                continue
            while not self._done.empty():
                done.append(self._done.get())
            return done

    def _outcome(self, future: Future[Partial]) -> Iterator[Partial]:
        """Yield what a batch found, if it did, and see to what comes next."""
        batch = self.batches.pop(future)
        self._in_hand[batch.worker] -= 1
        try:
            part = future.result()
        except WorkerLost as error:
            self.run.lose(batch.worker, error)
            self.deal_out([*batch.places, *self.deal.withdraw(batch.worker)])
        except ShareFailed as error:
            log.warning("a worker failed, its share is done here: %s", error)
            self._start(Batch(HERE, batch.places))
            self._hand_on(batch.worker)
        else:
            self._count(batch)
            if batch.worker is not HERE:
                self._hand_on(batch.worker)
            yield part

    def _count(self, batch: Batch) -> None:
        self.tasks_left -= len(batch.places)
        self.run.asked.told(len(batch.places))
        if batch.worker is not HERE:  # what is done here is counted where it is done
            telemetry.BATCH_SIZE.observe(len(batch.places))
            telemetry.WORK_EXECUTED.inc()
