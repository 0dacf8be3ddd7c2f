"""What every object store promises, as tests: a new store is one subclass and a fixture."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from storage.files import Data
from storage.object_store import InvalidKey, ObjectMissing, ObjectStore, ObjectTruncated
from storage.objects import require_exclusive_create


class ObjectStoreContract:
    """What any store must do; a new one is one subclass and a fixture."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        raise NotImplementedError

    def test_what_was_put_is_got(self, store: ObjectStore) -> None:
        store.put("a/b.bin", b"one")
        assert store.get("a/b.bin") == b"one"
        assert store.size("a/b.bin") == 3

    def test_put_goes_over_what_is_there(self, store: ObjectStore) -> None:
        store.put("a", b"one")
        store.put("a", b"three")
        assert store.get("a") == b"three"

    def test_empty_and_large_objects(self, store: ObjectStore) -> None:
        large = os.urandom(3 << 20)
        store.put("empty", b"")
        store.put("large", large)
        assert store.get("empty") == b""
        assert store.size("empty") == 0
        assert store.get("large") == large

    @pytest.mark.parametrize(
        "kind",
        [bytes, bytearray, memoryview, lambda data: memoryview(pa.py_buffer(data))],
        ids=["bytes", "bytearray", "view", "arrow"],
    )
    def test_any_buffer_is_stored(self, store: ObjectStore, kind: Callable[[bytes], Data]) -> None:
        store.put("a", kind(b"data"))
        assert store.put_if_absent("b", kind(b"data"))
        assert store.get("a") == store.get("b") == b"data"

    def test_the_first_to_create_wins(self, store: ObjectStore) -> None:
        assert store.put_if_absent("log/1", b"first") is True
        assert store.put_if_absent("log/1", b"second") is False
        assert store.get("log/1") == b"first"

    def test_one_of_many_threads_creates(self, store: ObjectStore) -> None:
        start = threading.Barrier(8)

        def create(name: bytes) -> bool:
            start.wait()
            return store.put_if_absent("log/1", name)

        names = [str(i).encode() for i in range(8)]
        with ThreadPoolExecutor(8) as pool:
            won = [name for name, first in zip(names, pool.map(create, names), strict=True) if first]
        assert won == [store.get("log/1")]

    def test_ranges(self, store: ObjectStore) -> None:
        store.put("a", b"0123456789")
        assert store.get_range("a", 0, 10) == b"0123456789"
        assert store.get_range("a", 3, 5) == b"34"
        assert store.get_range("a", 3, 3) == b""

    @pytest.mark.parametrize(("start", "stop"), [(5, 11), (10, 11), (20, 30)])
    def test_a_range_past_the_end_is_refused(self, store: ObjectStore, start: int, stop: int) -> None:
        store.put("a", b"0123456789")
        with pytest.raises(ObjectTruncated):
            store.get_range("a", start, stop)

    def test_several_ranges(self, store: ObjectStore) -> None:
        """In any order, near and far, overlapping and empty."""
        data = os.urandom(5 << 20)
        store.put("a", data)
        ranges = [(4 << 20, 5 << 20), (0, 10), (5, 15), (7, 7), (3_000_000, 3_000_001), (20, 40)]
        assert list(store.get_ranges("a", ranges)) == [data[start:stop] for start, stop in ranges]
        assert list(store.get_ranges("a", [])) == []
        with pytest.raises(ObjectTruncated):
            store.get_ranges("a", [(0, 10), (5 << 20, (5 << 20) + 1)])
        with pytest.raises(ObjectMissing):
            store.get_ranges("b", [(0, 10), (20, 30)])

    def test_absent_objects(self, store: ObjectStore) -> None:
        store.put("folder/a", b"")
        for key in ("b", "folder", "folder/b", "folder/a/b"):
            with pytest.raises(ObjectMissing):
                store.get(key)
            with pytest.raises(ObjectMissing):
                store.get_range(key, 0, 1)
            with pytest.raises(ObjectMissing):
                store.size(key)

    def test_listing_is_by_whole_segments_and_in_order(self, store: ObjectStore) -> None:
        for key in ("t/log/2", "t/log/10", "t/log-old/1", "t/b/x", "tt/log/1", "top"):
            store.put(key, b"12")
        assert [info.key for info in store.list("t")] == ["t/b/x", "t/log-old/1", "t/log/10", "t/log/2"]
        assert [info.key for info in store.list("t/log")] == ["t/log/10", "t/log/2"]
        assert [info.key for info in store.list("")][-2:] == ["top", "tt/log/1"]
        assert store.list("absent") == []
        assert {info.size_bytes for info in store.list("t")} == {2}

    def test_listing_behind_a_key(self, store: ObjectStore) -> None:
        for number in range(5):
            store.put(f"log/{number:03}", b"")
        assert [info.key for info in store.list("log", "log/002")] == ["log/003", "log/004"]
        assert store.list("log", "log/004") == []

    def test_listing_tells_when(self, store: ObjectStore) -> None:
        store.put("a", b"")
        store.put("b", b"")
        a, b = store.list("")
        assert 1_600_000_000 * 10**9 < a.modified_ns <= b.modified_ns

    def test_folders(self, store: ObjectStore) -> None:
        for key in ("t1/log/1", "t2/log/1", "t2/x/y/z", "top"):
            store.put(key, b"")
        assert store.folders("") == ["t1", "t2"]
        assert store.folders("t2") == ["log", "x"]
        assert store.folders("absent") == []

    def test_deleting(self, store: ObjectStore) -> None:
        store.put("t/a", b"")
        store.put("t/b", b"")
        store.delete("t/a")
        store.delete("t/a")
        store.delete("never/there")
        assert [info.key for info in store.list("")] == ["t/b"]
        store.delete("t/b")
        assert store.folders("") == []
        assert store.put_if_absent("t/b", b"again")

    @pytest.mark.parametrize(
        "key",
        ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\\b", "a\0b", "a b", "ü", "a\n", "x" * 256,
         "/".join(["x" * 99] * 11)],
    )  # fmt: skip
    def test_bad_keys_are_refused_everywhere(self, store: ObjectStore, key: str) -> None:
        calls = (
            lambda: store.put(key, b""),
            lambda: store.put_if_absent(key, b""),
            lambda: store.get(key),
            lambda: store.get_range(key, 0, 1),
            lambda: store.size(key),
            lambda: store.delete(key),
            lambda: store.local_path(key),
            lambda: key and store.list(key),
            lambda: key and store.folders(key),
        )
        for call in calls[: 9 if key else 7]:
            with pytest.raises(InvalidKey):
                call()

    def test_every_letter_of_a_tenant_may_stand_in_a_key(self, store: ObjectStore) -> None:
        key = "aZ09!-_.*'()/log/1"
        store.put(key, b"x")
        assert store.get(key) == b"x"
        assert [info.key for info in store.list("aZ09!-_.*'()")] == [key]
        assert store.folders("") == ["aZ09!-_.*'()"]

    def test_a_second_create_is_refused_by_the_probe_too(self, store: ObjectStore) -> None:
        require_exclusive_create(store)
        assert store.list("") == []

    def test_syncing_is_allowed_at_any_time(self, store: ObjectStore) -> None:
        store.put("a/b/c", b"")
        store.put("d", b"")
        store.sync(["a/b/c", "d"])
        store.sync([])
