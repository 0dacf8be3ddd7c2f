"""Who runs partition work."""

from __future__ import annotations

from typing import Protocol, TypeVar

from tempo_dask.physical.work import PartitionWork

Task = TypeVar("Task")
Partial = TypeVar("Partial")


class Executor(Protocol):
    """Runs partition work; may be asked from many coroutines at once."""

    async def run(self, work: PartitionWork[Task, Partial]) -> Partial:
        """Return the combined result of the work.

        Must not compute on the event loop. May leave out tasks once `work.is_complete` says so. An error of
        a chunk is raised as it is; when the caller is cancelled, tasks that wait must not start any more.
        """
        ...

    def graph_size(self, tasks: int) -> int:
        """Return how many tasks the Dask graph of so many scan tasks has at most: shares, each of several of them."""
        ...

    def close(self) -> None:
        """Stop what the executor started; nothing is run afterwards."""
        ...
