"""Jobs of maintenance on the workers of a cluster, each with one owner.

Which worker owns a job follows from what the job is, so processes that plan the same one at the same time ask the same
worker, which does it once and answers all of them. Where an owner is lost another worker, or this process, does its job
again: the commit log lets one of the two win.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tempo_dask.cluster.link import Link, WorkerFailed
from tempo_dask.cluster.members import Members, Worker
from tempo_dask.cluster.placement import hash_of, place
from tempo_dask.cluster.travel import OWN_STORE
from tempo_dask.cluster.watch import Watch, WorkerLost
from tempo_dask.maintenance.compaction import Compacted, CompactGroup

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Jobs that this process does, or has promised to do, by their keys; of the worker's event loop.
_OWNED: dict[str, asyncio.Future[Compacted]] = {}
#: One job at a time, beside the threads that answer queries.
_AT_WORK = ThreadPoolExecutor(1, thread_name_prefix="compaction")


async def do_job(key: str, group: CompactGroup) -> bytes:
    """Compact a group of blocks, or wait for whoever has been asked to here. For the worker's event loop."""
    owned = _OWNED.get(key)
    if owned is None:
        own = group if OWN_STORE.objects is None else replace(group, objects=OWN_STORE.objects)
        owned = _OWNED[key] = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(_AT_WORK, own))
        owned.add_done_callback(lambda _done: _OWNED.pop(key, None))
    return pickle.dumps(await asyncio.shield(owned))


@dataclass(frozen=True, slots=True)
class Jobs:
    """Runs jobs on the workers that there are. For threads that may wait."""

    link: Link
    watch: Watch
    members: Members

    def run(self, tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
        """Yield what tasks return, those of the cluster as they are done; what nobody else can do is done here."""
        groups = [task for task in tasks if isinstance(task, CompactGroup)]
        asked = {self.link.submit(self._done(group)): group for group in groups}
        try:
            for future in as_completed(asked):
                yield self._result(future.result(), asked[future])
        finally:
            for future in asked:
                future.cancel()
        yield from (task() for task in tasks if not isinstance(task, CompactGroup))

    @staticmethod
    def _result(done: Compacted | None, group: CompactGroup) -> Any:
        return group() if done is None else done

    async def _done(self, group: CompactGroup) -> Compacted | None:
        """Return what the owner of a job did, None where there is none. For the link's loop."""
        key = key_of(group)
        lost: set[str] = set()
        while workers := [worker for worker in self.members.scanners if worker.address not in lost]:
            owner = owner_of(key, workers)
            try:
                answer = await self.watch.over(owner.address, self.link.ask(owner.address, do_job, key, group))
            except (WorkerLost, WorkerFailed) as error:
                log.warning("a compaction goes to another worker: %s", error)
                lost.add(owner.address)
            else:
                done: Compacted = pickle.loads(answer)  # noqa: S301  # from our own worker
                return done
        return None


def key_of(group: CompactGroup) -> str:
    """Return what a job is known by: the same blocks of the same tenant are the same job."""
    return f"{group.tenant}/{'+'.join(sorted(group.inputs))}"


def owner_of(key: str, workers: Sequence[Worker]) -> Worker:
    """Return the worker that does a job; there must be one."""
    return workers[place([hash_of(key)], [1], workers)[0]]
