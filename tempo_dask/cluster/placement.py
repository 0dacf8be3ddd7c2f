"""Which worker scans what: the same one as last time, as far as all of them have equally much to do.

Workers stand on a ring, each at many places; what a key's hash stands before is its worker, or the next one with room.
Where a worker comes or goes, about its own share of units moves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tempo_dask.cluster.members import Worker

#: A worker's units may be so much more than its share by threads before they go to the next one.
_SLACK = 1.1
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
    room: list[float] = (_SLACK * sum(weights) * threads / threads.sum()).tolist()
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
            spot = _with_room(spot, owner, room)
            worker = owner[spot]
            # The unit that takes the last of the room may take a little more than it.
            last = min(int(np.searchsorted(sums, before + room[worker])) + 1, stop)
            chosen[order[first:last]] = worker
            room[worker] -= float(sums[last - 1]) - before
            first, before = last, float(sums[last - 1])
    found: list[int] = chosen.tolist()
    return found


def _with_room(spot: int, owner: Sequence[int], room: Sequence[float]) -> int:
    """Return the first place from this one on whose worker has room: all together have more than there is to do."""
    spot %= len(owner)
    while room[owner[spot]] <= 0:
        spot = (spot + 1) % len(owner)
    return spot


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
