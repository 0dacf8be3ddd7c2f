"""Row groups as a scan takes them: several neighbours at once, where they are small.

Blocks have small row groups, so that writing one takes little memory and one row of it few bytes; a scan that stopped
at each of them would spend its time between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from storage.columns import UnitMeta


def join_row_groups(row_groups: Sequence[UnitMeta], unit_spans: int) -> tuple[UnitMeta, ...]:
    """Return the units of a block: runs of neighbouring row groups of at most `unit_spans` spans, or a longer one."""
    return tuple(
        replace(
            run[0],
            stop_span=run[-1].stop_span,
            stop_trace=run[-1].stop_trace,
            start_ns=min(each.start_ns for each in run),
            end_ns=max(each.end_ns for each in run),
        )
        for run in _runs(row_groups, unit_spans)
    )


def numbers_by_unit(row_groups: Sequence[UnitMeta], unit_spans: int) -> tuple[range, ...]:
    """Return which row groups each unit of `join_row_groups` is made of."""
    found, first = [], 0
    for run in _runs(row_groups, unit_spans):
        found.append(range(first, first + len(run)))
        first += len(run)
    return tuple(found)


def _runs(row_groups: Sequence[UnitMeta], unit_spans: int) -> Iterator[Sequence[UnitMeta]]:
    first = 0
    for number, each in enumerate(row_groups):
        if number > first and each.stop_span - row_groups[first].first_span > unit_spans:
            yield row_groups[first:number]
            first = number
    if first < len(row_groups):
        yield row_groups[first:]
