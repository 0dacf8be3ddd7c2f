"""What tasks of a search tell each other changes no answer."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from tempo_dask.physical.newest_bound import NewestBound

units = st.dictionaries(st.integers(0, 9), st.lists(st.integers(-5, 5), max_size=4))


@given(found=units, limit=st.integers(1, 5))
def test_no_trace_that_is_kept_starts_before_the_bound(found: dict[int, list[int]], limit: int) -> None:
    bound = NewestBound(limit)
    for unit, starts in found.items():
        bound.add(unit, starts)
        bound.add(unit, starts)  # asked again, after a worker was lost
    newest = sorted((start for starts in found.values() for start in starts), reverse=True)[:limit]
    assert bound.start_ns == (newest[-1] if len(newest) == limit else -(2**63))


def test_a_bound_travels_without_what_was_found() -> None:
    bound = NewestBound(1)
    bound.add("unit", [7])
    there = pickle.loads(pickle.dumps(bound))
    assert (bound.start_ns, there.start_ns) == (7, -(2**63))
    there.add("unit", [3, 9])
    assert there.start_ns == 9
