"""Every object store keeps the same promises."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.local_objects import DRAFTS, DRAFTS_KEPT_NS, LocalStore
from storage.object_store import (
    CreateNotExclusive,
    InvalidKey,
    ObjectStore,
    StoreUnavailable,
    check_key,
)
from storage.objects import open_store, require_exclusive_create
from storage.remote_objects import RemoteStore
from tests.storage.object_store_contract import ObjectStoreContract


class TestLocalStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return LocalStore(tmp_path / "deep" / "store")

    def test_objects_are_files(self, store: ObjectStore) -> None:
        store.put("a/b", b"data")
        path = store.local_path("a/b")
        assert path is not None
        assert path.read_bytes() == b"data"

    def test_no_draft_is_left(self, store: LocalStore, tmp_path: Path) -> None:
        store.put("a", b"")
        store.put_if_absent("b", b"")
        store.put_if_absent("b", b"")
        assert list((tmp_path / "deep" / "store" / DRAFTS).iterdir()) == []

    def test_drafts_are_no_objects(self, store: ObjectStore) -> None:
        with pytest.raises(InvalidKey):
            store.put(f"{DRAFTS}/a", b"")

    def test_old_drafts_of_dead_processes_go(self, tmp_path: Path) -> None:
        LocalStore(tmp_path).put("a", b"")
        old, new = tmp_path / DRAFTS / "old", tmp_path / DRAFTS / "new"
        old.write_bytes(b"")
        new.write_bytes(b"")
        long_ago = new.stat().st_mtime_ns - DRAFTS_KEPT_NS - 10**9
        os.utime(old, ns=(long_ago, long_ago))
        LocalStore(tmp_path)
        assert not old.exists()
        assert new.exists()

    def test_folders_come_and_go_under_writers(self, store: ObjectStore) -> None:
        def churn(name: str) -> None:
            for _ in range(100):
                store.put(f"t/{name}", b"")
                store.delete(f"t/{name}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(churn, "abcd"))
        assert store.list("t") == []


class TestMemoryStore(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return open_store("memory://")

    def test_there_are_no_files(self, store: ObjectStore) -> None:
        store.put("a", b"")
        assert store.local_path("a") is None


class TestSingleWriterStore(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> ObjectStore:
        memory = pytest.importorskip("obstore.store").MemoryStore
        return RemoteStore(memory(), single_writer=True)


def test_stores_by_url(tmp_path: Path) -> None:
    """A path, a file URL and a bucket each open the right kind of store."""
    plain = open_store(str(tmp_path / "a b"))
    plain.put("k", b"x")
    assert open_store(f"file://{tmp_path}/a%20b").get("k") == b"x"
    s3 = open_store(
        "s3://bucket/prefix", options={"region": "us-east-1", "access_key_id": "k", "secret_access_key": "s"}
    )
    assert s3.local_path("k") is None


@pytest.mark.parametrize("url", ["nothing://x", "s3://"])
def test_an_unknown_store_is_refused(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot open"):
        open_store(url)


class _Careless:
    """A store that creates what exists."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.objects[key] = data
        return True

    def get(self, key: str) -> bytes:
        return self.objects[key]

    def delete(self, key: str) -> None:
        del self.objects[key]


def test_the_probe_finds_a_careless_store() -> None:
    store = _Careless()
    with pytest.raises(CreateNotExclusive, match="single writer"):
        require_exclusive_create(store)  # type: ignore[arg-type]  # as much of a store as the probe needs
    assert store.objects == {}


@given(st.text(max_size=30))
def test_no_key_leaves_the_root(key: str) -> None:
    """A key is refused or names a path below the root."""
    root = Path("/root-of-store")
    try:
        path = Path(os.path.normpath(root / check_key(key)))
    except InvalidKey:
        return
    assert root in path.parents


def test_a_full_disk_is_told_and_nothing_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    for put in (store.put, store.put_if_absent):
        with pytest.raises(StoreUnavailable, match="No space left"):
            put(f"t/{uuid.uuid4()}", b"data")
    monkeypatch.undo()
    assert store.list("") == []
    assert list((tmp_path / DRAFTS).iterdir()) == []
