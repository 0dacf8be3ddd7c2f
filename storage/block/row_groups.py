"""Row groups as a scan takes them: several neighbours at once, where they are small.

Blocks have small row groups, so that writing one takes little memory and one row of it few bytes; a scan that stopped
at each of them would spend its time between them. The newest, where most searches end, are taken fewer at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storage.columns import UnitMeta

#: The newest unit has this part of the others' spans, the one before it twice as many, and so on.
_NEWEST = 4


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
        for run in (row_groups[numbers.start : numbers.stop] for numbers in numbers_by_unit(row_groups, unit_spans))
    )


def numbers_by_unit(row_groups: Sequence[UnitMeta], unit_spans: int) -> tuple[range, ...]:
    """Return which row groups each unit of `join_row_groups` is made of: the last has fewest, those before it more."""
    runs: list[range] = []
    stop, most = len(row_groups), unit_spans // _NEWEST
    while stop:
        first = stop - 1
        while first and row_groups[stop - 1].stop_span - row_groups[first - 1].first_span <= most:
            first -= 1
        runs.append(range(first, stop))
        stop, most = first, min(max(2 * most, 1), unit_spans)
    return tuple(reversed(runs))
