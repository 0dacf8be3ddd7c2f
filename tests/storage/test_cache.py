"""The cache of columns: bounded, shared by threads, and never in the way of an error."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.cache import ColumnCache
from storage.columns import Column, TableName
from storage.errors import DamagedBlock
from storage.remembered import RememberedThroughScans


class FakeMeta:
    def __init__(self, source_id: str, tenant: str) -> None:
        self.id = source_id
        self.tenant = tenant


class FakeSource:
    """A source that counts what it reads: 800 bytes a column."""

    def __init__(self, source_id: str, tenant: str = "t") -> None:
        self.meta = FakeMeta(source_id, tenant)
        self.reads: list[tuple[str, str, int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.error: Exception | None = None

    def read(self, table: TableName, name: str, unit: int) -> Column | None:
        self.reads.append((table, name, unit))
        self.started.set()
        self.gate.wait(10)
        if self.error:
            raise self.error
        return None if name == "absent" else Column(np.zeros(100, np.int64))


def test_a_column_is_read_once() -> None:
    cache, source = ColumnCache(10_000), FakeSource("a")
    first = cache.get_or_read(source, "spans", "start", 0)
    assert cache.get_or_read(source, "spans", "start", 0) is first
    assert cache.get_or_read(FakeSource("b"), "spans", "start", 0) is not first
    assert source.reads == [("spans", "start", 0)]
    assert (cache.hits, cache.misses, cache.used_bytes) == (1, 2, 1_600)


def test_tenants_share_nothing() -> None:
    cache = ColumnCache(10_000)
    first = cache.get_or_read(FakeSource("a", "one"), "spans", "start", 0)
    assert cache.get_or_read(FakeSource("a", "two"), "spans", "start", 0) is not first


def test_resources_are_the_same_in_every_unit() -> None:
    cache, source = ColumnCache(10_000), FakeSource("a")
    for unit in range(3):
        cache.get_or_read(source, "resources", "x", unit)
        cache.get_or_read(source, "events", "x", unit)
    assert [table for table, _, _ in source.reads].count("resources") == 1
    assert len(source.reads) == 4


def _asked(cache: ColumnCache, source: FakeSource, names: str) -> str:
    """Return the names of the columns that were read for such questions."""
    before = len(source.reads)
    for name in names:
        cache.get_or_read(source, "spans", name, 0)
        assert cache.used_bytes <= 2_400
    return "".join(name for _, name, _ in source.reads[before:])


def test_scans_of_more_than_the_budget_find_a_part_of_it() -> None:
    cache, source = ColumnCache(2_400), FakeSource("a")
    assert _asked(cache, source, "abcdef") == "abcdef"
    for _ in range(5):
        assert _asked(cache, source, "abcdef") == "def"


def test_what_is_asked_for_twice_takes_the_place_of_what_nobody_uses() -> None:
    cache, source = ColumnCache(2_400), FakeSource("a")
    _asked(cache, source, "abc")
    assert _asked(cache, source, "xyzxyzxyz") == "xyzxyz"
    assert _asked(cache, source, "xyzbxyz") == "b"


def test_what_nobody_used_for_long_makes_room_at_once() -> None:
    cache, source = ColumnCache(2_400), FakeSource("a")
    _asked(cache, source, "abc" + "ab" * 10)
    assert _asked(cache, source, "xx") == "x"
    assert _asked(cache, source, "abab") == ""


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), st.integers(1, 9)), max_size=200), st.integers(1, 30))
def test_the_budget_is_kept(asked: list[tuple[str, int]], budget: int) -> None:
    sizes = dict(asked)
    cache: RememberedThroughScans[str, int] = RememberedThroughScans(budget, int)
    for name, _ in asked:
        assert cache.get_or_make(name, partial(sizes.__getitem__, name)) == sizes[name]
        assert cache.used == sum(size for found, size in sizes.items() if cache.get(found) is not None) <= budget
    cache.forget(lambda _name: True)
    assert cache.used == 0


def test_what_is_larger_than_the_budget_is_not_kept() -> None:
    cache, source = ColumnCache(799), FakeSource("a")
    assert cache.get_or_read(source, "spans", "x", 0) is not None
    assert cache.used_bytes == 0
    assert cache.get_or_read(source, "spans", "absent", 0) is None
    assert cache.get_or_read(source, "spans", "absent", 0) is None
    assert [name for _, name, _ in source.reads] == ["x", "absent"]


def test_a_source_can_be_forgotten() -> None:
    cache, source, other = ColumnCache(10_000), FakeSource("a"), FakeSource("b")
    cache.get_or_read(source, "spans", "x", 0)
    cache.get_or_read(other, "spans", "x", 0)
    cache.forget("a")
    assert cache.used_bytes == 800
    cache.get_or_read(other, "spans", "x", 0)
    assert len(other.reads) == 1


@pytest.mark.parametrize("error", [None, DamagedBlock("broken")])
def test_threads_share_one_read(error: Exception | None) -> None:
    cache, source = ColumnCache(10_000), FakeSource("a")
    source.gate.clear()
    source.error = error
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(cache.get_or_read, source, "spans", "x", 0) for _ in range(4)]
        assert source.started.wait(10)
        source.gate.set()
        errors = [result.exception() for result in results]
    if error is None:
        assert len(source.reads) == 1
        assert len({id(result.result()) for result in results}) == 1
    else:
        assert all(isinstance(e, DamagedBlock) for e in errors)
        source.error = None
        assert cache.get_or_read(source, "spans", "x", 0) is not None
