"""Which blocks are compacted together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tempo_dask.maintenance.limits import DAY_NS, HOUR_NS, CompactionLimits
from tempo_dask.maintenance.select import select_groups

NOW = 100 * DAY_NS
LIMITS = CompactionLimits()


def record(
    name: str, *, end: int = NOW - 1, level: int = 0, size: int = 10, traces: int = 1, arrived: int = NOW
) -> Any:
    return {
        "id": name,
        "start_ns": end,
        "end_ns": end,
        "arrived_ns": arrived,
        "level": level,
        "size_bytes": size,
        "trace_count": traces,
    }


def groups(*records: Any, limits: CompactionLimits = LIMITS) -> list[Sequence[str]]:
    return select_groups(records, NOW, limits)


def test_a_block_alone_stays() -> None:
    assert groups() == []
    assert groups(record("a"), record("b", level=1), record("c", end=NOW - HOUR_NS - 1)) == []


def test_the_smallest_meet_first_and_at_most_four() -> None:
    sizes = {"a": 5, "b": 1, "c": 4, "d": 2, "e": 3, "f": 6}
    assert groups(*(record(name, size=size) for name, size in sizes.items())) == [["b", "d", "e", "c"], ["a", "f"]]


def test_levels_matter_in_the_active_window_alone() -> None:
    old = NOW - 2 * DAY_NS
    assert groups(record("a", end=old), record("b", end=old, level=3)) == [["a", "b"]]


def test_newest_windows_first() -> None:
    ends = {"a": NOW - 5 * HOUR_NS, "b": NOW - 5 * HOUR_NS, "c": NOW - 1, "d": NOW - 1}
    assert groups(*(record(name, end=end) for name, end in ends.items())) == [["c", "d"], ["a", "b"]]


def test_what_arrived_on_other_days_stays_apart() -> None:
    """Else a trickle of late spans would keep old ones for ever."""
    assert groups(record("a"), record("b", arrived=NOW - DAY_NS)) == []


def test_limits_of_size() -> None:
    two = (record("a", size=6, traces=6), record("b", size=5, traces=5))
    assert groups(*two, limits=CompactionLimits(max_block_bytes=10)) == []
    assert groups(*two, limits=CompactionLimits(max_compaction_objects=10)) == []
    assert groups(*two, limits=CompactionLimits(max_block_bytes=11, max_compaction_objects=11)) == [["b", "a"]]


def test_blocks_that_an_older_version_listed_have_no_level() -> None:
    bare = [record("a"), record("b")]
    for each in bare:
        del each["level"]
    assert groups(*bare) == [["a", "b"]]


records = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(1, 20), st.integers(1, 20)), max_size=20
).map(
    lambda drawn: [
        record(str(n), end=NOW - hours * HOUR_NS - 1, level=level, size=size, traces=traces)
        for n, (hours, level, size, traces) in enumerate(drawn)
    ]
)


@given(records)
def test_groups_keep_to_the_limits_and_compaction_ends(listed: list[Any]) -> None:
    limits = CompactionLimits(max_block_bytes=40, max_compaction_objects=30)
    found = {r["id"]: r for r in listed}
    for _ in range(len(listed) + 1):
        chosen = select_groups(found.values(), NOW, limits)
        names = [name for group in chosen for name in group]
        assert len(names) == len(set(names))
        for group in chosen:
            parts = [found.pop(name) for name in group]
            assert 2 <= len(parts) <= 4
            size, traces = (sum(part[key] for part in parts) for key in ("size_bytes", "trace_count"))
            assert size <= 40
            assert traces <= 30
            level = 1 + max(part["level"] for part in parts)
            end = max(part["end_ns"] for part in parts)
            found["+".join(group)] = record("+".join(group), end=end, level=level, size=size, traces=traces)
        if not chosen:
            break
    assert select_groups(found.values(), NOW, limits) == []
