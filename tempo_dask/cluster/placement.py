"""Which worker scans what: the same one as last time, as far as all of them have equally much to do.

By the highest of all hashes of a unit and a worker: where a worker comes or goes, only its own units move.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tempo_dask.cluster.members import Worker

#: A worker's units may be so much more than its share by threads before they go to the next one.
_SLACK = 1.1


def hash_of(*parts: object) -> int:
    """Return 64 bits that depend on the parts alone, in every process."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def place(keys: Sequence[int], weights: Sequence[int], workers: Sequence[Worker]) -> list[int]:
    """Return for each unit, known by a hash and its spans, the place of its worker; there must be workers."""
    threads = np.array([worker.threads for worker in workers], np.float64)
    room = _SLACK * sum(weights) * threads / threads.sum()
    scores = _scores(np.array(keys, np.uint64), np.array([hash_of(worker.address) for worker in workers], np.uint64))
    # Ties of load are broken by the hashes as well, not by the order in which units come.
    chosen = [0] * len(keys)
    for unit in np.argsort(np.array(keys, np.uint64)).tolist():
        has_room = np.flatnonzero(room > 0)
        worker = int(has_room[np.argmax(scores[unit, has_room])])
        room[worker] -= weights[unit]
        chosen[unit] = worker
    return chosen


def _scores(units: npt.NDArray[np.uint64], workers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the hash of each unit with each worker (units, workers): splitmix64 of both, wrapping."""
    mixed: npt.NDArray[np.uint64] = units[:, None] ^ workers[None, :]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
