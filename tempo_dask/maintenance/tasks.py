"""Running independent pieces of maintenance: one by one, or on Dask's threaded scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import dask.threaded

T = TypeVar("T")

#: Runs calls that take no arguments and raise nothing, and yields results as they come.
RunTasks: TypeAlias = Callable[[Sequence[Callable[[], Any]]], Iterator[Any]]


def one_by_one(tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Run tasks on this thread: memory holds one compaction at a time."""
    return (task() for task in tasks)


def on_threads(threads: int) -> RunTasks:
    """Return a way to run tasks on Dask's threaded scheduler, a wave of `threads` tasks after another."""

    def run(tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
        for first in range(0, len(tasks), threads):
            graph = {("task", n): (task,) for n, task in enumerate(tasks[first : first + threads])}
            yield from dask.threaded.get(graph, list(graph), num_workers=threads)

    return run
