"""Which worker scans what: laws that hold for any units and workers."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo_dask.cluster.assignment import HERE, Place, assigned
from tempo_dask.cluster.members import Worker
from tempo_dask.cluster.placement import hash_of, place
from tempo_dask.physical.units import ScanUnit
from tests.engine.recorded import chunk_of
from tests.ingest.numbered import body

WORKERS = st.lists(st.integers(1, 8), min_size=1, max_size=12).map(
    lambda threads: [Worker(f"tcp://worker-{place}:1", count) for place, count in enumerate(threads)]
)
UNITS = st.lists(st.integers(1, 500_000), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(UNITS, WORKERS)
def test_nobody_has_much_more_than_its_share(spans: list[int], workers: list[Worker]) -> None:
    chosen = place([hash_of(unit) for unit in range(len(spans))], spans, workers)
    threads = sum(worker.threads for worker in workers)
    for number, worker in enumerate(workers):
        has = sum(count for count, of in zip(spans, chosen, strict=True) if of == number)
        assert has <= 1.1 * sum(spans) * worker.threads / threads + max(spans)


@pytest.mark.parametrize(("units", "together", "workers"), [(11, 8, 2), (100, 8, 10), (99, 8, 9), (1300, 1, 1000)])
def test_units_of_one_size_are_shared_out_to_the_last(units: int, together: int, workers: int) -> None:
    """Where what is left of a worker's room is next to nothing, the next one is asked."""
    chosen = place(
        [hash_of(unit // together) for unit in range(units)],
        [1] * units,
        [Worker(f"tcp://worker-{number}:1", 1) for number in range(workers)],
    )
    assert max(Counter(chosen).values()) <= units / workers + 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), WORKERS, st.randoms(use_true_random=False))
def test_the_order_of_units_and_workers_does_not_matter(count: int, workers: list[Worker], order: object) -> None:
    keys = [hash_of("block", unit) for unit in range(count)]
    first = dict(zip(keys, (workers[at] for at in place(keys, [1] * count, workers)), strict=True))
    shuffled, others = list(keys), list(workers)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    order.shuffle(others)  # type: ignore[attr-defined]
    again = dict(zip(shuffled, (others[at] for at in place(shuffled, [1] * count, others)), strict=True))
    assert again == first


def test_few_units_move_when_a_worker_comes() -> None:
    workers = [Worker(f"tcp://worker-{number}:1", 2) for number in range(10)]
    keys = [hash_of("block", unit) for unit in range(2000)]
    before = place(keys, [1] * len(keys), workers)
    after = place(keys, [1] * len(keys), [*workers, Worker("tcp://worker-new:1", 2)])
    moved = sum(old != new for old, new in zip(before, after, strict=True))
    assert len(keys) // 20 < moved < len(keys) // 4


def test_live_spans_of_this_process_are_scanned_here() -> None:
    unit = ScanUnit(chunk_of([body(range(10))]), 0)
    workers = [Worker("tcp://worker:1", 4)]
    assert assigned([Place(0, unit)], workers, {}) == {HERE: [0]}


def test_keys_of_tenants_differ() -> None:
    assert hash_of("red", "block", 0) != hash_of("blue", "block", 0) == hash_of("blue", "block", 0)
