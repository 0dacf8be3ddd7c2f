"""Many small reads at once: a store may be a network away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

#: So few are sooner read one by one than threads are started.
FEW = 4


def in_parallel(read: Callable[[A], B], items: Sequence[A], threads: int) -> Iterable[B]:
    """Return what `read` returns for each item, in order; it may run on many threads. The first error is raised."""
    if len(items) <= FEW or threads == 1:
        return [read(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(read, items))
