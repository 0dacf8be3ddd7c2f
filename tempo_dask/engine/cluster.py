"""Runs work on a Dask cluster: shares of tasks by `client.map`, joined as they come back.

Blocks travel as where they lie and are opened by the workers; live chunks travel as Arrow tables.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from distributed import Client, as_completed

from tempo_dask.errors import QueryFailed, Unavailable
from tempo_dask.physical.work import PartitionWork

Task = TypeVar("Task")
Partial = TypeVar("Partial")

#: Shares per thread of a cluster: a scheduler hands out few large ones at once, many small ones slowly.
_SHARES_PER_THREAD = 2


@dataclass(frozen=True, slots=True)
class _Share(Generic[Task, Partial]):
    """Tasks that one thread of a worker does in turn, with their places in the work."""

    work: PartitionWork[Task, Partial]
    tasks: Sequence[tuple[int, Task]]


def _do_share(share: _Share[Task, Partial]) -> Partial:
    done = share.work.combine(())
    for place, task in share.tasks:
        done = share.work.combine([done, share.work.chunk(place, task)])
    return done


@dataclass(slots=True)
class ClusterExecutor:
    """Work on the cluster behind a scheduler's address; each query waits in a thread of this process."""

    address: str
    _client: Any = field(init=False)  # distributed is partly typed
    _waiters: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        """Connect. Raises Unavailable where no scheduler answers."""
        try:
            self._client = Client(self.address, set_as_default=False)  # type: ignore[no-untyped-call]
        except OSError as error:
            msg = f"no Dask scheduler answers at {self.address}: {error}"
            raise Unavailable(msg) from error
        self._waiters = ThreadPoolExecutor(64, thread_name_prefix="query")

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
        shares = self._shares(work)
        futures = self._client.map(_do_share, shares, pure=False, retries=2)
        waiting = dict(zip(futures, shares, strict=True))
        found = work.combine(())
        try:
            for future in as_completed(futures, loop=self._client.loop):  # type: ignore[no-untyped-call]
                if cancelled is not None and cancelled.is_set():
                    msg = "the query was cancelled"
                    raise QueryFailed(msg)
                found = work.combine([found, future.result()])
                del waiting[future]
                if work.is_complete is not None and work.is_complete(found, _tasks(waiting)):
                    break
        finally:
            self._client.cancel(list(waiting))
        return found

    def graph_size(self, tasks: int) -> int:
        """Return how many shares so many tasks are dealt out to."""
        threads: int = sum(self._client.nthreads().values())
        return min(tasks, threads * _SHARES_PER_THREAD)

    def close(self) -> None:
        """Leave the cluster; it goes on."""
        self._waiters.shutdown(cancel_futures=True)
        self._client.close()

    def _shares(self, work: PartitionWork[Task, Partial]) -> list[_Share[Task, Partial]]:
        """Deal the tasks out, the first ones first."""
        tasks = list(enumerate(work.tasks))
        threads = sum(self._client.nthreads().values())
        if not threads:
            msg = f"the cluster at {self.address} has no workers"
            raise Unavailable(msg)
        count = min(len(tasks), threads * _SHARES_PER_THREAD)
        bare = PartitionWork((), work.chunk, work.combine)
        return [_Share(bare, tasks[first::count]) for first in range(count)]


def _tasks(waiting: dict[Any, _Share[Task, Partial]]) -> list[Task]:
    return [task for share in waiting.values() for _, task in share.tasks]
