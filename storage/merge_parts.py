"""Sources merged part by part, so that memory holds one part and never all.

A part is a run of whole traces in the order in which `storage.merge` puts them, from all sources: a trace that lies in
several of them, wherever it starts there, is in one part. Parts laid end to end are what merging all at once gives,
but that resources and scopes are numbered anew in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from storage.arrays import sort_key
from storage.chunk import Chunk
from storage.columns import (
    MAX_ATTRIBUTE_COLUMNS,
    TABLE_OF_SCOPE,
    ScanSource,
    SourceMeta,
    SpanTables,
    TableName,
    split_column_name,
)
from storage.kernels.group import number_ids
from storage.kernels.sort import sort_groups
from storage.merge import HASH_SEED, merge

Rows = npt.NDArray[np.int64]
#: Of shape (n, 16).
TraceIds = npt.NDArray[np.uint8]


def merge_parts(
    sources: Sequence[ScanSource], part_spans: int, without: TraceIds | None = None
) -> Iterator[SpanTables]:
    """Yield the spans of all sources, sorted, nothing twice, at most `part_spans` or one longer trace at a time.

    Traces of the ids `without` are left out. Raises what reading the sources raises.
    """
    columns = choose_columns([source.meta for source in sources])
    may_have = set().union(*columns.values())
    for rows_of in plan_parts(sources, part_spans, without):
        taken = [(source, _take(source, rows)) for source, rows in zip(sources, rows_of, strict=True) if len(rows)]
        parts = [tables for _, tables in taken]
        is_done = len(taken) == 1 and taken[0][0].meta.columns.keys() <= may_have
        yield parts[0] if is_done else merge(parts, columns)


def _take(source: ScanSource, rows: Rows) -> SpanTables:
    if isinstance(source, Chunk) and len(rows) == source.tables.table("traces").num_rows:
        return source.tables
    return source.take_traces(rows)


def plan_parts(sources: Sequence[ScanSource], part_spans: int, without: TraceIds | None = None) -> list[list[Rows]]:
    """Return for each part the rows of `traces`, ascending, that it takes of each source; no part takes none."""
    ids = np.concatenate([_read(source, "trace_id").view(">u8").astype(np.uint64).reshape(-1, 2) for source in sources])
    high, low = np.ascontiguousarray(ids[:, 0]), np.ascontiguousarray(ids[:, 1])
    starts = sort_key(np.concatenate([_read(source, "start") for source in sources]))
    spans = np.concatenate([_read(source, "span_count") for source in sources])
    numbers, firsts = number_ids(high, low, HASH_SEED)
    earliest = np.full(len(firsts), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(earliest, numbers, starts)
    order = np.arange(len(firsts), dtype=np.int32)
    sort_groups(order, np.array([0, len(order)], np.int32), earliest, high[firsts], low[firsts])
    counts = np.bincount(numbers, spans, minlength=len(order)).astype(np.int64)
    cuts = _cut(counts[order], part_spans)
    part_of_trace = np.empty(len(order), np.int64)
    part_of_trace[order] = np.repeat(np.arange(len(cuts) - 1), np.diff(cuts))
    stops = np.cumsum([source.meta.trace_count for source in sources])
    by_source = [_rows_by_part(parts, len(cuts) - 1) for parts in np.split(part_of_trace[numbers], stops[:-1])]
    if without is not None:
        gone = [source.find(without) for source in sources]
        by_source = [
            [np.setdiff1d(rows, of_source) for rows in parts] for parts, of_source in zip(by_source, gone, strict=True)
        ]
    planned = [list(rows) for rows in zip(*by_source, strict=True)]
    return [part for part in planned if any(len(rows) for rows in part)]


def _read(source: ScanSource, name: str) -> npt.NDArray[np.generic]:
    """Return a column of all traces of a source."""
    columns = [source.read("traces", name, unit) for unit in range(len(source.meta.units))]
    found = [column.data for column in columns if column is not None]
    empty = np.zeros((0, 16), np.uint8) if name == "trace_id" else np.zeros(0, np.int64)
    return np.concatenate(found) if found else empty


def _cut(spans: Rows, part_spans: int) -> list[int]:
    """Return where each part begins in traces of so many spans, and where the last one ends."""
    ends = np.append(0, np.cumsum(spans))
    cuts = [0]
    while cuts[-1] < len(spans):
        beyond = int(np.searchsorted(ends, ends[cuts[-1]] + part_spans, side="right")) - 1
        cuts.append(max(cuts[-1] + 1, beyond))
    return cuts


def _rows_by_part(parts: Rows, count: int) -> list[Rows]:
    rows = np.argsort(parts, kind="stable")
    return np.split(rows, np.searchsorted(parts[rows], np.arange(1, count)))


def choose_columns(metas: Sequence[SourceMeta], limit: int = MAX_ATTRIBUTE_COLUMNS) -> Mapping[TableName, set[str]]:
    """Return for each table the attributes of all sources that may have a column: all, or the most frequent ones."""
    counts: dict[TableName, dict[str, int]] = {table: {} for table in TABLE_OF_SCOPE.values()}
    for meta in metas:
        for name, column in meta.columns.items():
            of_table = counts[TABLE_OF_SCOPE[split_column_name(name)[0]]]
            of_table[name] = of_table.get(name, 0) + column.count
    return {
        table: set(sorted(found, key=lambda name, found=found: (-found[name], name))[:limit])  # type: ignore[misc]  # bound early
        for table, found in counts.items()
    }
