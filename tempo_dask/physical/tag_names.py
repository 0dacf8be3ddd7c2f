"""The keys of attributes: from metadata where all spans of a source count, else by a look at each column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

from storage.columns import REST_KEYS, TABLE_OF_SCOPE, Column, Scope, SourceMeta, split_column_name
from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.chosen_spans import ChosenRows, counts_whole
from tempo_dask.physical.distinct import kept_elements, used_texts
from tempo_dask.physical.spansets import UnitScan
from tempo_dask.physical.tags import Tag, Tags, join_tags
from tempo_dask.physical.units import ScanUnit, Shard, units_of
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Plan
from tempo_dask.plan.tag_nodes import TagNames


@dataclass(frozen=True, slots=True)
class NamesTask:
    """A unit, its columns to look for values in, and the scopes whose `rest` may hold more keys."""

    unit: ScanUnit
    columns: tuple[str, ...]
    rests: tuple[Scope, ...]


def known_names(plan: Plan, names: TagNames, shards: Iterable[Shard]) -> Tags:
    """Return the keys (after their scopes) that metadata alone tells."""
    if plan.is_empty:
        return frozenset()
    metas = (shard.source.meta for shard in shards)
    return frozenset(
        split_column_name(column)[:2] for meta in metas if counts_whole(meta, plan) for column in _columns(meta, names)
    )


def names_work(
    plan: Plan, names: TagNames, shards: Iterable[Shard], known: Tags, max_bytes: int
) -> PartitionWork[NamesTask, Tags]:
    """Return what finds the keys that are not yet known."""
    tasks = (_task(unit, plan, names, known) for unit in units_of(shards, plan))
    needed = tuple(task for task in tasks if task.columns or task.rests)
    return PartitionWork(needed, NamesChunk(plan), partial(join_tags, max_bytes=max_bytes))


def _task(unit: ScanUnit, plan: Plan, names: TagNames, known: Tags) -> NamesTask:
    meta = unit.source.meta
    columns = () if counts_whole(meta, plan) else _columns(meta, names)
    scopes = (cast("Scope", scope.value) for scope in names.scopes)
    return NamesTask(
        unit,
        tuple(column for column in columns if split_column_name(column)[:2] not in known),
        tuple(scope for scope in scopes if TABLE_OF_SCOPE[scope] in meta.rest_keys),
    )


def _columns(meta: SourceMeta, names: TagNames) -> Iterator[str]:
    """Yield the columns of the scopes that hold some value."""
    wanted = {scope.value for scope in names.scopes}
    return (name for name, column in meta.columns.items() if column.count and split_column_name(name)[0] in wanted)


@dataclass(frozen=True, slots=True)
class NamesChunk:
    """Finds the keys that the chosen spans of one unit have."""

    plan: Plan

    def __call__(self, _number: int, task: NamesTask) -> Tags:
        """Return pairs of scope and key."""
        scan = UnitScan.of(task.unit)
        chosen = ChosenRows.of(task.unit, scan, self.plan)
        if chosen.is_empty:
            return frozenset()
        return _of_columns(task, scan, chosen) | frozenset(_of_rests(task, scan, chosen))


def _of_columns(task: NamesTask, scan: UnitScan, chosen: ChosenRows) -> Tags:
    meta = task.unit.source.meta
    found: set[Tag] = set()
    for name in task.columns:
        tag = split_column_name(name)[:2]
        if tag not in found:
            table = TABLE_OF_SCOPE[tag[0]]
            is_full = table == "spans" and meta.columns[name].count == meta.span_count
            if is_full or _has_value(scan.reader.column(table, name), chosen.rows(table)):
                found.add(tag)
    return frozenset(found)


def _of_rests(task: NamesTask, scan: UnitScan, chosen: ChosenRows) -> Iterator[tuple[Scope, str]]:
    for scope in task.rests:
        table = TABLE_OF_SCOPE[scope]
        keys = scan.reader.column(table, REST_KEYS)
        if keys is not None:
            yield from ((scope, key) for key in used_texts(keys, kept_elements(keys, chosen.rows(table))))


def _has_value(column: Column | None, rows: Mask | None) -> bool:
    if column is None:
        return False
    valid = column.valid
    if rows is None:
        return bool(len(column.data)) if valid is None else bool(valid.any())
    return bool((rows if valid is None else rows & valid).any())
