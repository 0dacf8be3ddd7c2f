"""The distinct values of attributes: from metadata where it lists them all, else from columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from storage.columns import SourceMeta
from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.binder import Binder
from tempo_dask.physical.bound import AttributeColumns, IntrinsicColumn
from tempo_dask.physical.chosen_spans import ChosenRows, counts_whole
from tempo_dask.physical.distinct import distinct_texts, type_text, value_text
from tempo_dask.physical.operands import values_of
from tempo_dask.physical.reader import UnitReader
from tempo_dask.physical.spansets import UnitScan
from tempo_dask.physical.tags import Tag, Tags, join_tags
from tempo_dask.physical.units import ScanUnit, Shard, units_of
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Plan
from tempo_dask.plan.tag_nodes import TagValues

_Source = AttributeColumns | IntrinsicColumn


@dataclass(frozen=True, slots=True)
class ValuesTask:
    """A unit and where in it values are looked for."""

    unit: ScanUnit
    sources: tuple[_Source, ...]


def known_values(plan: Plan, values: TagValues, shards: Iterable[Shard]) -> Tags:
    """Return the values (after their types) that metadata alone tells."""
    metas = (shard.source.meta for shard in shards)
    return frozenset(
        value
        for meta in metas
        if not plan.is_empty and counts_whole(meta, plan)
        for source in _sources(meta, values)
        if _is_listed(source, meta)
        for value in _listed(source, meta)
    )


def values_work(
    plan: Plan, values: TagValues, shards: Iterable[Shard], max_bytes: int
) -> PartitionWork[ValuesTask, Tags]:
    """Return what finds the values that metadata does not tell."""
    tasks = (_task(unit, plan, values) for unit in units_of(shards, plan))
    needed = tuple(task for task in tasks if task.sources)
    return PartitionWork(needed, ValuesChunk(plan, max_bytes), partial(join_tags, max_bytes=max_bytes))


def _task(unit: ScanUnit, plan: Plan, values: TagValues) -> ValuesTask:
    meta = unit.source.meta
    sources = tuple(_sources(meta, values))
    if counts_whole(meta, plan):
        sources = tuple(source for source in sources if not _is_listed(source, meta))
        if unit.unit:  # the first unit has all rows of the tables that units share
            sources = tuple(source for source in sources if not _is_shared(source))
    return ValuesTask(unit, sources)


def _sources(meta: SourceMeta, values: TagValues) -> Iterator[_Source]:
    """Yield where a source has values of the attributes."""
    binder = Binder(meta)
    for attribute in values.attributes:
        operand = binder.operand(attribute)
        if isinstance(operand, AttributeColumns | IntrinsicColumn):
            yield operand


def _is_shared(source: _Source) -> bool:
    return isinstance(source, AttributeColumns) and source.table in ("resources", "scopes")


def _is_listed(source: _Source, meta: SourceMeta) -> bool:
    return (
        isinstance(source, AttributeColumns)
        and source.rest_key is None
        and all(meta.columns[column.name].distinct is not None for column in source.columns)
    )


def _listed(source: _Source, meta: SourceMeta) -> Iterator[Tag]:
    for column in source.columns if isinstance(source, AttributeColumns) else ():
        for value in meta.columns[column.name].distinct or ():
            yield type_text(column.type), value_text(column.type, value)


@dataclass(frozen=True, slots=True)
class ValuesChunk:
    """Finds the values that the chosen spans of one unit have."""

    plan: Plan
    max_bytes: int

    def __call__(self, _number: int, task: ValuesTask) -> Tags:
        """Return pairs of type and text."""
        scan = UnitScan.of(task.unit)
        # Root, duration and structure are those of whole traces; attributes stay what they are.
        with_split = all(isinstance(source, AttributeColumns) for source in task.sources)
        chosen = ChosenRows.of(task.unit, scan, self.plan, with_split=with_split)
        if chosen.is_empty:
            return frozenset()
        found = (_distinct(source, chosen.rows(source.table), scan.reader, self.max_bytes) for source in task.sources)
        return frozenset().union(*found)


def _distinct(source: _Source, rows: Mask | None, reader: UnitReader, max_bytes: int) -> set[Tag]:
    parts = values_of(source, reader).parts
    return {(type_text(part.type), text) for part in parts for text in distinct_texts(part, rows, max_bytes)}
