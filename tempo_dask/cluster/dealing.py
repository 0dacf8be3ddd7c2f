"""Who is given which tasks when: each worker its own, in batches that shrink, then what is left of others'.

All batches of a worker together are few, however many tasks it has, so that the coordinator asks some times for each
thread and not for each task; the last are small, so that workers end together. Who has done its own takes from the
one that has most left: slow workers, and those that other queries keep busy, are left with less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tempo_dask.cluster.members import Worker

#: A batch is so much of what waits for a thread of its worker, and no smaller part of what the worker began with.
_OF_WAITING = 2
_LEAST_OF_ALL = 8
#: Nor has it fewer tasks than these: to ask takes about as long as to scan one of them.
_LEAST = 2
#: Nor fewer than one for so many threads: about as long as one scans that, the others can be asked.
_THREADS_PER_TASK = 32
_MOST_BATCHES = 5
#: Batches that a thread of a worker has at a time: the next one is there when it is done with one.
IN_HAND = 2


@dataclass(slots=True)
class Deal:
    """The tasks of a query that no worker was given yet, by their places in the work; for one thread.

    What nodes have to do is about their live spans: nobody else takes that, and they take nothing else.
    """

    _waiting: dict[Worker, list[int]] = field(default_factory=dict)  # the first at the end
    _least: dict[Worker, int] = field(default_factory=dict)

    def add(self, tasks: Mapping[Worker, Sequence[int]]) -> None:
        """Let tasks wait for workers; the lowest places come first."""
        threads = sum(worker.threads for worker in {*tasks, *self._waiting})
        for worker, places in tasks.items():
            waiting = sorted([*self._waiting.get(worker, ()), *places], reverse=True)
            self._waiting[worker] = waiting
            self._least[worker] = max(
                -(-len(waiting) // (_LEAST_OF_ALL * worker.threads)), threads // _THREADS_PER_TASK, _LEAST
            )

    def next_batch(self, worker: Worker, in_hand: int) -> Sequence[int]:
        """Return what a worker with so many batches in hand is to do next, if anything."""
        waiting = self._waiting.get(worker, [])
        if waiting:
            return _taken(waiting, max(-(-len(waiting) // (_OF_WAITING * worker.threads)), self._least[worker]))
        if in_hand or worker.node:  # what others have cached is worth taking only where one has nothing to do
            return ()
        most = max(self._others(), key=len, default=[])
        return _taken(most, -(-len(most) // 2)) if most else ()

    def withdraw(self, worker: Worker) -> Sequence[int]:
        """Return what waits for a worker that is lost; nothing waits for it any more."""
        return self._waiting.pop(worker, [])

    def _others(self) -> list[list[int]]:
        return [waiting for worker, waiting in self._waiting.items() if waiting and not worker.node]


def _taken(waiting: list[int], count: int) -> Sequence[int]:
    """Take the first tasks out."""
    batch = waiting[: -count - 1 : -1]
    del waiting[-count:]
    return batch


def batches(tasks: int, threads: int) -> int:
    """Return how many batches so many tasks are dealt in at most, where all threads are busy until the end.

    >>> batches(1, 8), batches(80, 2), batches(100_000, 1_000)
    (1, 10, 5000)
    """
    return min(tasks, _MOST_BATCHES * threads)
