"""Spans sorted: traces in order of (start, id), each in nested-set order, nothing twice.

Batches in any split and order give the same tables, value for value: ties are broken by content, and
resources, scopes and dictionaries are numbered by first use.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import id_words, single_chunk, sort_key, values
from storage.columns import SpanTables, TableName
from storage.content import row_codes
from storage.errors import StorageError
from storage.kernels.group import number_ids, rows_by_number
from storage.kernels.number import break_cycles, find_parents, number_nested
from storage.kernels.sort import equal_to_neighbour, sort_groups
from storage.pick import pick_spans
from storage.take import Rows
from storage.traces import summarize_traces
from storage.unite import unite

#: Hash tables are seeded, so that nobody can choose ids that collide.
HASH_SEED = secrets.randbits(63)


def merge(batches: Sequence[SpanTables], columns: Mapping[TableName, Collection[str]] | None = None) -> SpanTables:
    """Return all spans of the batches (decoded or sorted) as sorted tables, as `SpanTables` describes them.

    A span that stands twice (same trace, id, kind and content) is kept once. `columns` says of each table which
    attributes may have a column, where more than these batches must agree. Raises BadColumns where the tables do not
    hold together.
    """
    united = unite(batches, columns)
    if united.spans.num_rows >= 2**31:
        msg = f"cannot sort {united.spans.num_rows} spans at once"
        raise StorageError(msg)
    rows, bounds = _sort_spans(united)
    order, nested = _number(united.spans, rows, bounds)
    rows = rows[order]
    trace = np.repeat(np.arange(len(bounds) - 1, dtype=np.uint32), np.diff(bounds))
    picked = pick_spans(united, rows, [pa.array(numbers) for numbers in (trace, *nested)])
    traces = summarize_traces(picked.spans, picked.resources, picked.links, bounds)
    return replace(picked, traces=traces)


def _sort_spans(united: SpanTables) -> tuple[Rows, npt.NDArray[np.int32]]:
    """Return the rows to keep, traces by (start, id) and spans by (start, id, kind, content), and the trace bounds."""
    spans = united.spans
    ids = id_words(single_chunk(spans.column("trace_id")))
    high, low = np.ascontiguousarray(ids[:, 0]), np.ascontiguousarray(ids[:, 1])
    starts = sort_key(values(single_chunk(spans.column("start")), np.int64))
    numbers, firsts = number_ids(high, low, HASH_SEED)
    earliest = np.full(len(firsts), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(earliest, numbers, starts)
    traces = np.arange(len(firsts), dtype=np.int32)
    sort_groups(traces, np.array([0, len(traces)], np.int32), earliest, high[firsts], low[firsts])
    place = np.empty(len(traces), np.int32)
    place[traces] = np.arange(len(traces), dtype=np.int32)
    rows, bounds = rows_by_number(place[numbers], len(traces))
    span_ids = id_words(single_chunk(spans.column("span_id"))).ravel()
    kinds = sort_key(values(single_chunk(spans.column("kind")), np.int32))
    sort_groups(rows, bounds, starts, span_ids, kinds)
    tied = equal_to_neighbour(rows, bounds, starts, span_ids, kinds)
    return _break_ties(united, rows, bounds, tied) if tied.any() else (rows, bounds)


def _break_ties(
    united: SpanTables, rows: Rows, bounds: npt.NDArray[np.int32], tied: npt.NDArray[np.bool_]
) -> tuple[Rows, npt.NDArray[np.int32]]:
    """Order spans of equal trace, start, id and kind by their content, and keep one of equal content."""
    places = np.flatnonzero(tied)
    ranks = _content_ranks(united, rows[places])
    trace = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    spans = united.spans.select(["start", "span_id", "kind"]).take(pa.array(rows[places]))
    same = row_codes([pa.array(trace[places]), *spans.columns], len(places))
    group = np.cumsum(np.append(0, same[1:] != same[:-1]))
    order = np.lexsort((ranks, group))
    rows = rows.copy()
    rows[places] = rows[places][order]
    ranks = ranks[order]
    repeated = np.append(False, (ranks[1:] == ranks[:-1]) & (group[1:] == group[:-1]))
    keep = np.ones(len(rows), np.bool_)
    keep[places[repeated]] = False
    counts = np.bincount(trace[keep], minlength=len(bounds) - 1)
    return rows[keep], np.append(0, np.cumsum(counts)).astype(np.int32)


def _content_ranks(united: SpanTables, rows: Rows) -> npt.NDArray[np.int64]:
    """Rank spans by all they carry: own columns, attributes, resource, scope, events and links."""
    chosen = united.spans.take(pa.array(rows))
    columns = []
    for name in sorted(chosen.column_names):
        column = chosen.column(name)
        if name in {"resource", "scope"}:
            target = united.resources if name == "resource" else united.scopes
            ranks = row_codes([target.column(n) for n in sorted(target.column_names)], target.num_rows, ranked=True)
            column = pa.array(ranks[column.to_numpy()])
        columns.append(column)
    place = np.full(united.spans.num_rows, -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    for table in (united.events, united.links):
        owned, bounds = rows_by_number(place[table.column("span").to_numpy()], len(rows))
        carried = table.drop_columns(["span"]).take(pa.array(owned))
        codes = row_codes([carried.column(n) for n in sorted(carried.column_names)], len(owned), ranked=True)
        columns.append(pa.ListArray.from_arrays(pa.array(bounds), pa.array(codes)))
    return row_codes(columns, len(rows), ranked=True)


def _number(
    spans: pa.Table, rows: Rows, bounds: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], tuple[npt.NDArray[np.int32], ...]]:
    """Return the pre-order of sorted spans, and their nested left, right and parent in that order."""
    parent_ids = single_chunk(spans.column("parent_span_id"))
    has_parent = parent_ids.is_valid().to_numpy(zero_copy_only=False)
    span_ids = id_words(single_chunk(spans.column("span_id"))).ravel()
    kinds = values(single_chunk(spans.column("kind")), np.int32)
    parents = find_parents(
        bounds, span_ids[rows], id_words(parent_ids).ravel()[rows], has_parent[rows], kinds[rows], HASH_SEED
    )
    break_cycles(parents)
    order, *nested = number_nested(bounds, parents)
    return order, tuple(nested)
