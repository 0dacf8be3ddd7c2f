"""Which worker scans what: the same one as last time, as far as all of them have equally much to do.

Workers stand on a ring, each at many places; what a key's hash stands before is its worker, or the next one with room.
Where a worker comes or goes, about its own share of units moves.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tempo_dask.cluster.members import Worker

#: A worker's units may be so much more than its share by threads before they go to the next one.
_SLACK = 1.05
#: Places on the ring for each thread of a worker: they even its part of it out.
_PLACES = 64


def hash_of(*parts: object) -> int:
    """Return 64 bits that depend on the parts alone, in every process."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def place(keys: Sequence[int], weights: Sequence[int], workers: Sequence[Worker]) -> list[int]:
    """Return for each unit, known by a hash and its spans, the place of its worker; there must be workers.

    Units of one key stay together as far as there is room. Takes a step for each key, not for each unit.
    """
    at, owner = _ring(tuple(workers))
    threads = np.array([worker.threads for worker in workers], np.float64)
    rooms = _Rooms(owner, (_SLACK * sum(weights) * threads / threads.sum()).tolist())
    of_unit = np.array(keys, np.uint64)
    order = np.argsort(of_unit, kind="stable")
    sums = np.cumsum(np.array(weights, np.float64)[order])
    ordered = of_unit[order]
    chosen = np.zeros(len(keys), np.int64)
    first, before = 0, 0.0
    bounds = [*(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(keys)] if keys else []
    starts = np.searchsorted(at, ordered).tolist()
    for stop in bounds:
        spot = starts[first]
        while first < stop:
            worker, room = rooms.next(spot)
            # At least one; the unit in which the room ends is the worker's where half of it has room.
            last = max(int(np.searchsorted(sums, before + room, "right")), first + 1)
            if last < stop and 2 * (before + room) >= sums[last - 1] + sums[last]:
                last += 1
            last = min(last, stop)
            chosen[order[first:last]] = worker
            rooms.take(worker, float(sums[last - 1]) - before, is_full=last < stop)
            first, before = last, float(sums[last - 1])
    found: list[int] = chosen.tolist()
    return found


class _Rooms:
    """What each worker has room for, in spans. All together they have more than there is to place."""

    def __init__(self, owner: Sequence[int], room: list[float]) -> None:
        self._owner = owner
        self._room = room
        self._is_full = [False] * len(room)
        self._rest: list[tuple[float, int, int]] = []  # what is left once all are full, the most first

    def next(self, spot: int) -> tuple[int, float]:
        """Return the first worker from a spot of the ring on that is not full, else who has most room, and its room."""
        if not self._rest:
            for step in range(len(self._owner)):
                worker = self._owner[(spot + step) % len(self._owner)]
                if not self._is_full[worker]:
                    return worker, self._room[worker]
            ranked = enumerate(dict.fromkeys(self._owner))  # by names, whatever order the workers came in
            self._rest = [(-self._room[worker], rank, worker) for rank, worker in ranked]
            heapq.heapify(self._rest)
        return self._rest[0][2], -self._rest[0][0]

    def take(self, worker: int, spans: float, *, is_full: bool) -> None:
        """Give a worker so many spans; it is full where there was more that it had no room for."""
        self._room[worker] -= spans
        self._is_full[worker] |= is_full or self._room[worker] <= 0
        if self._rest:
            heapq.heapreplace(self._rest, (-self._room[worker], self._rest[0][1], worker))


@lru_cache(16)
def _ring(workers: tuple[Worker, ...]) -> tuple[npt.NDArray[np.uint64], list[int]]:
    """Return the places of all workers, ascending, and whose each is."""
    counts = [worker.threads * _PLACES for worker in workers]
    owner = np.repeat(np.arange(len(workers)), counts)
    names = np.repeat(np.array([hash_of(worker.address) for worker in workers], np.uint64), counts)
    numbers = np.concatenate([np.arange(count, dtype=np.uint64) for count in counts])
    at = _mixed(names ^ _mixed(numbers))
    order = np.lexsort((names, at))
    return at[order], owner[order].tolist()


def _mixed(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return 64 bits that look as if drawn: splitmix64, wrapping."""
    mixed: npt.NDArray[np.uint64] = bits + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
