"""One query while it runs: its place among others, its deadline, and what it has cost so far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tempo_dask.engine.admission import Admission, MemoryBudget
from tempo_dask.engine.executors import Executor
from tempo_dask.engine.results import QueryMetrics
from tempo_dask.errors import DeadlineExceeded
from tempo_dask.physical.metered import Cost, join_costs, metered
from tempo_dask.physical.work import PartitionWork

Task = TypeVar("Task")
Partial = TypeVar("Partial")


@asynccontextmanager
async def _ending_at(deadline: float) -> AsyncIterator[None]:
    """Cancel the body at a time of the loop's clock, and raise DeadlineExceeded then."""
    try:
        async with asyncio.timeout_at(deadline) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():  # another one, of a store
            raise
        raise DeadlineExceeded from error


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds for all queries of an engine. `units_in_flight` are scanned at a time for one query."""

    admission: Admission = field(default_factory=Admission)
    memory: MemoryBudget = field(default_factory=MemoryBudget)
    deadline_s: float = 300.0
    units_in_flight: int = 4

    @asynccontextmanager
    async def query(self, tenant: str, executor: Executor) -> AsyncIterator[RunningQuery]:
        """Let a query in, and give it what runs its work. Raises TooManyRequests, DeadlineExceeded."""
        deadline = asyncio.get_running_loop().time() + self.deadline_s
        slot = self.admission.slot(tenant)
        async with _ending_at(deadline):
            await slot.__aenter__()
        try:
            yield RunningQuery(executor, self.memory, deadline, self.units_in_flight)
        finally:
            await slot.__aexit__(None, None, None)


@dataclass(slots=True)
class RunningQuery(Executor):
    """Runs the work of one query on another executor, within its bounds; `costs` tells what each stage took."""

    executor: Executor
    memory: MemoryBudget
    deadline: float  # on the clock of the event loop
    units_in_flight: int
    costs: dict[str, Cost] = field(default_factory=dict)
    graph_tasks: int = 0  # of all graphs so far

    async def run(self, work: PartitionWork[Task, Partial]) -> Partial:
        """Return the combined result of the work. Raises DeadlineExceeded."""
        if not work.tasks:
            return work.combine(())
        self.graph_tasks += self.executor.graph_size(len(work.tasks))
        in_flight = min(self.units_in_flight, len(work.tasks))
        async with _ending_at(self.deadline), self.memory.reserve(in_flight * work.task_bytes):
            done = await self.executor.run(metered(work))
        self.costs[work.stage] = join_costs([self.costs.get(work.stage, Cost()), done.cost])
        return done.partial

    def graph_size(self, tasks: int) -> int:
        """Return how many tasks the Dask graph of so many scan tasks has."""
        return self.executor.graph_size(tasks)

    def close(self) -> None:
        """Do nothing: the executor goes on for other queries."""

    def billed(self, metrics: QueryMetrics, set_aside: Mapping[str, str]) -> QueryMetrics:
        """Return metrics with what the query has cost so far, and why its answer is partial, if it is."""
        cost = join_costs(self.costs.values())
        missing = {f"{what} cannot be read: {why}" for what, why in set_aside.items()} | cost.failures
        done = self.costs["match"].tasks if "match" in self.costs else 0
        return replace(
            metrics,
            inspected_bytes=metrics.inspected_bytes + cost.bytes,
            total_jobs=metrics.total_jobs + len(set_aside) * bool(metrics.total_jobs),
            completed_jobs=min(done, metrics.total_jobs),
            partial="; ".join(sorted(missing)),
        )
