"""What is asked of spans by one metrics stage: the work, and how what it finds becomes series."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, TypeVar

from tempo_dask.engine.compared import compared_series
from tempo_dask.engine.executors import Executor
from tempo_dask.engine.exemplars import ByLabels, answered_exemplars
from tempo_dask.engine.labels import LabelsKey, key_of, named_groups
from tempo_dask.engine.results import Exemplar, Series
from tempo_dask.engine.series import finished_series
from tempo_dask.physical.cells import answerable
from tempo_dask.physical.metric_compare import ComparePartial, compare_work
from tempo_dask.physical.metric_functions import metric_function
from tempo_dask.physical.series import SeriesPartial, series_work, series_work_of_groups, with_zeros
from tempo_dask.physical.shown_exemplars import ShownExemplars, choose, exemplar_work
from tempo_dask.physical.unit_runs import UnitRun
from tempo_dask.physical.units import ScanUnit, Shard
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Comparison, Plan, TimeSeries

Found = TypeVar("Found", bound="Inspected")

#: What a task looks at.
Scanned: TypeAlias = ScanUnit | UnitRun


class Inspected(Protocol):
    """A partial result that knows how many spans were looked at."""

    @property
    def inspected_spans(self) -> int:
        """How many spans were looked at."""
        ...


class Question(Protocol[Found]):
    """One metrics stage over the spans that pass its plan."""

    @property
    def work(self) -> PartitionWork[Any, Found]:
        """The work that finds what is asked; its tasks are `Scanned`."""
        ...

    def series(self, found: Found) -> Sequence[Series]:
        """Return the series of what was found, without exemplars."""
        ...

    async def answer(self, found: Found, executor: Executor) -> Sequence[Series]:
        """Return the series of all that was found."""
        ...

    async def with_exemplars(self, left: Sequence[Series], found: Found, executor: Executor) -> Sequence[Series]:
        """Return the series that are left of an answer, with exemplars looked for again where none of them has any."""
        ...

    def is_cut(self, found: Found) -> bool:
        """Return whether there were more series than an answer has room for."""
        ...


def question(plan: Plan, shards: Sequence[Shard]) -> Question[Any]:
    """Return what a plan asks of some shards; no data are read."""
    if isinstance(plan.output, Comparison):
        return _Compared(plan.output, compare_work(plan, plan.output, shards))
    if isinstance(plan.output, TimeSeries):
        return _OverTime(plan, plan.output, series_work(plan, plan.output, shards))
    raise NotImplementedError(plan.output)


@dataclass(frozen=True, slots=True)
class _OverTime(Question[SeriesPartial]):
    """A function over time."""

    plan: Plan
    output: TimeSeries
    work: PartitionWork[UnitRun, SeriesPartial]

    def series(self, found: SeriesPartial) -> Sequence[Series]:
        """Return the series of what was found, without exemplars."""
        return self._finished(found, {})

    async def answer(self, found: SeriesPartial, executor: Executor) -> Sequence[Series]:
        """Return the series of all that was found, with what is shown of their exemplars."""
        shown = await executor.run(exemplar_work(self.plan, found.exemplars, self.work.tasks))
        return await asyncio.to_thread(self._with_exemplars, found, shown)

    async def with_exemplars(
        self, left: Sequence[Series], found: SeriesPartial, executor: Executor
    ) -> Sequence[Series]:
        """Scan again for the groups of these series alone. Of many spans the most frequent groups have exemplars."""
        if not self.output.exemplars or not left or any(one.exemplars for one in left):
            return left
        named = named_groups(self.output.aggregate, found.cells.labels)
        names = [key if (key := key_of(one.labels)) in named else key[:-1] for one in left]
        groups = frozenset(named[name] for name in names if name in named)
        again = await executor.run(series_work_of_groups(self.work, groups))
        exemplars: dict[LabelsKey, tuple[Exemplar, ...]] = {}
        for one in await self.answer(again, executor):
            name = key if (key := key_of(one.labels)) in named else key[:-1]
            exemplars[name] = (*exemplars.get(name, ()), *one.exemplars)
        return [replace(one, exemplars=exemplars.pop(name, ())) for one, name in zip(left, names, strict=True)]

    def is_cut(self, found: SeriesPartial) -> bool:
        """Return whether there were more groups than an answer has room for."""
        return answerable(metric_function(self.output), found.cells, self.output.step_count).is_cut

    def _with_exemplars(self, found: SeriesPartial, shown: ShownExemplars) -> Sequence[Series]:
        return self._finished(found, answered_exemplars(choose(found.exemplars, shown), shown))

    def _finished(self, found: SeriesPartial, exemplars: ByLabels) -> Sequence[Series]:
        return (
            []
            if self.plan.is_empty
            else finished_series(with_zeros(found.cells, self.output), self.plan, self.output, exemplars)
        )


@dataclass(frozen=True, slots=True)
class _Compared(Question[ComparePartial]):
    """`compare()`; its series have no exemplars."""

    output: Comparison
    work: PartitionWork[ScanUnit, ComparePartial]

    def series(self, found: ComparePartial) -> Sequence[Series]:
        """Return the series of what was found."""
        return compared_series(found, self.output)

    async def answer(self, found: ComparePartial, executor: Executor) -> Sequence[Series]:  # noqa: ARG002  # as others
        """Return the series of all that was found."""
        return await asyncio.to_thread(compared_series, found, self.output)

    async def with_exemplars(
        self,
        left: Sequence[Series],
        found: ComparePartial,  # noqa: ARG002  # as others
        executor: Executor,  # noqa: ARG002
    ) -> Sequence[Series]:
        """Return the series as they are."""
        return left

    def is_cut(self, found: ComparePartial) -> bool:  # noqa: ARG002  # as others
        """Return False: the values that are shown are the most frequent ones anyway."""
        return False
