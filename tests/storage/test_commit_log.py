"""The commit log: one list that everybody agrees on, each change in it once, wholly and for good."""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.block_list import REMOVED_KEPT_NS, BlockList, LogEntry, WalRange
from storage.commit_log import AlreadyFlushed, BrokenLog, CommitConflict, CommitLog
from storage.local_objects import LocalStore
from storage.object_store import ObjectStore, StoreUnavailable
from storage.objects import open_store
from storage.sealed_json import DamagedDocument, UnknownVersion, seal
from storage.tenants import InvalidTenant, check_tenant
from tests.storage.power_loss import PowerCut, PowerLossFiles
from tests.storage.stores import ForgetfulStore, WrappedStore

ROOT = Path("/no-such-place/blocks")


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory://")


def block(name: str) -> dict[str, str]:
    return {"id": name}


def key(number: int, kind: str = "log") -> str:
    return f"t/{kind}/{number:020}.json"


# Commits


def test_a_log_that_nobody_wrote_is_empty(store: ObjectStore) -> None:
    assert CommitLog(store, "t").read() == BlockList(0, {}, {}, {})


def test_a_commit_changes_everything_at_once(store: ObjectStore) -> None:
    log = CommitLog(store, "t", clock=lambda: 77)
    log.commit(add=[block("a"), block("b")], flushed={"n1": WalRange(1, 5)})
    listed = log.commit(add=[block("c")], remove=["a", "b"], flushed={"n2": WalRange(1, 2), "n1": WalRange(6, 9)})
    assert listed == BlockList(2, {"c": block("c")}, {"n1": 9, "n2": 2}, {"a": 77, "b": 77})
    assert CommitLog(store, "t").read() == listed


def test_an_entry_is_json_under_its_number(store: ObjectStore) -> None:
    """Its shape is for ever."""
    CommitLog(store, "t", clock=lambda: 77).commit(add=[{"id": "a", "spans": 3}], flushed={"n": WalRange(2, 5)})
    entry = orjson.loads(store.get("t/log/00000000000000000001.json"))
    assert set(entry.pop("writer")) <= set("0123456789abcdef-")
    assert isinstance(entry.pop("crc32c"), int)
    assert entry == {
        "version": 1,
        "number": 1,
        "written_ns": 77,
        "add": [{"id": "a", "spans": 3}],
        "remove": [],
        "flushed": {"n": 5},
    }


def test_a_reader_reads_each_entry_once(store: ObjectStore) -> None:
    writer, counting = CommitLog(store, "t"), WrappedStore(store)
    reader = CommitLog(counting, "t")
    for number in range(1, 4):
        writer.commit(add=[block(str(number))])
        assert reader.read().number == number
        assert counting.gets == [key(n) for n in range(1, number + 1)]
    reader.read()
    assert len(counting.gets) == 3


def test_a_list_does_not_change_under_its_reader(store: ObjectStore) -> None:
    log = CommitLog(store, "t")
    before = log.commit(add=[block("a")])
    log.commit(remove=["a"])
    assert before.blocks == {"a": block("a")}
    with pytest.raises(TypeError):
        before.blocks["b"] = block("b")  # type: ignore[index]  # that it cannot be done is the point


def test_tenants_do_not_mix(store: ObjectStore) -> None:
    CommitLog(store, "t").commit(add=[block("a")])
    assert CommitLog(store, "t2").read().number == 0


@pytest.mark.parametrize(
    ("tenant", "message"),
    [
        ("", "no org id"),
        (".", "tenant ID is '.' or '..'"),
        ("..", "tenant ID is '.' or '..'"),
        ("a/b", "tenant ID 'a/b' contains unsupported character '/'"),
        ("../x", "tenant ID '../x' contains unsupported character '/'"),
        ("~drafts", "tenant ID '~drafts' contains unsupported character '~'"),
        ("t\n", "tenant ID 't\n' contains unsupported character '\n'"),
        ("ü", "tenant ID 'ü' contains unsupported character 'ü'"),
        ("x" * 151, "tenant ID is too long: max 150 characters"),
    ],
)
def test_names_that_no_tenant_can_have(store: ObjectStore, tenant: str, message: str) -> None:
    with pytest.raises(InvalidTenant) as error:
        CommitLog(store, tenant)
    assert str(error.value) == message
    assert check_tenant("aZ09!-_.*'()" + "x" * 138)


# Conflicts


def test_what_is_gone_cannot_be_removed(store: ObjectStore) -> None:
    log = CommitLog(store, "t")
    log.commit(add=[block("a")])
    with pytest.raises(CommitConflict, match="blocks b, c are not in the list any more"):
        log.commit(add=[block("d")], remove=["a", "b", "c"])
    with pytest.raises(CommitConflict, match="blocks a are in the list already"):
        log.commit(add=[block("a")])
    assert log.read().number == 1


@pytest.mark.parametrize(("first", "last"), [(1, 5), (3, 3), (5, 9), (1, 9)])
def test_a_range_is_flushed_once(store: ObjectStore, first: int, last: int) -> None:
    log = CommitLog(store, "t")
    log.commit(add=[block("a")], flushed={"n": WalRange(1, 5)})
    with pytest.raises(AlreadyFlushed, match=f"up to 5, so {first} to {last}"):
        log.commit(add=[block("b")], flushed={"n": WalRange(first, last)})
    assert log.read().flushed == {"n": 5}
    log.commit(add=[block("b")], flushed={"n": WalRange(7, 9)})


@pytest.mark.parametrize(("first", "last"), [(0, 5), (-1, 1), (5, 4)])
def test_a_range_is_a_range(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="closed range"):
        WalRange(first, last)


def test_of_many_compactions_with_a_common_input_one_wins(store: ObjectStore) -> None:
    CommitLog(store, "t").commit(add=[block("a"), block("b"), block("c")])
    start = threading.Barrier(8)

    def compact(name: int) -> bool:
        log = CommitLog(store, "t")
        inputs = ["a", "b"] if name % 2 else ["b", "c"]
        start.wait()
        try:
            log.commit(add=[block(f"new-{name}")], remove=inputs)
        except CommitConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(compact, range(8)))
    assert sum(won) == 1
    listed = CommitLog(store, "t").read()
    assert sorted(listed.blocks) == sorted([f"new-{won.index(True)}", "c" if won.index(True) % 2 else "a"])


def test_one_log_is_used_by_many_threads(store: ObjectStore) -> None:
    log = CommitLog(store, "t")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: log.commit(add=[block(str(i))], flushed={str(i): WalRange(1, i + 1)}), range(60)))
    listed = log.read()
    assert listed.number == 60
    assert sorted(map(int, listed.blocks)) == list(range(60))
    assert listed.flushed == {str(i): i + 1 for i in range(60)}


def _commit_many(path: Path, name: str, count: int, start: threading.Barrier) -> None:
    log = CommitLog(LocalStore(path), "t")
    start.wait(60)
    for number in range(1, count + 1):
        log.commit(add=[block(f"{name}-{number}")], flushed={name: WalRange(number, number)})


def test_two_processes_race_for_numbers(tmp_path: Path) -> None:
    """Each commit of each process is in the log exactly once, and in that process's order."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    processes = [context.Process(target=_commit_many, args=(tmp_path, name, 60, start)) for name in ("p", "q")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    store = LocalStore(tmp_path)
    assert [info.key for info in store.list("t/log")] == [key(number) for number in range(1, 121)]
    entries = [LogEntry.decode("entry", store.get(key(number))) for number in range(1, 121)]
    for name in ("p", "q"):
        added = [b["id"] for entry in entries for b in entry.add if b["id"].startswith(name)]
        assert added == [f"{name}-{number}" for number in range(1, 61)]
    listed = CommitLog(store, "t").read()
    assert (listed.number, listed.flushed, len(listed.blocks)) == (120, {"p": 60, "q": 60}, 120)


# Answers that are lost


def test_an_entry_of_our_own_is_known_again(store: ObjectStore) -> None:
    """The store asked twice and says that the number is taken: the change must not be made twice."""
    log = CommitLog(ForgetfulStore(store, raises=False), "t")
    listed = log.commit(add=[block("a")], flushed={"n": WalRange(1, 3)})
    assert (listed.number, dict(listed.blocks)) == (1, {"a": block("a")})


def test_a_commit_that_failed_may_have_happened(store: ObjectStore) -> None:
    log = CommitLog(ForgetfulStore(store, raises=True), "t")
    with pytest.raises(StoreUnavailable):
        log.commit(add=[block("a")], flushed={"n": WalRange(1, 3)})
    with pytest.raises(AlreadyFlushed):
        log.commit(add=[block("a2")], flushed={"n": WalRange(1, 3)})
    assert list(log.read().blocks) == ["a"]


def test_a_number_that_is_taken_but_cannot_be_read_ends_in_an_error(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.commit_log.MAX_IDLE_ATTEMPTS", 3)
    monkeypatch.setattr(store, "put_if_absent", lambda *_: False)
    with pytest.raises(StoreUnavailable, match=r"0001.json is taken, but cannot be read"):
        CommitLog(store, "t").commit(add=[block("a")])


# Checkpoints


def test_starting_reads_a_checkpoint_and_what_came_behind(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.commit_log.CHECKPOINT_EVERY", 10)
    writers = CommitLog(store, "t"), CommitLog(store, "t")
    for number in range(1, 38):
        change = {"remove": [str(number - 5)]} if number > 5 else {}
        listed = writers[number % 2].commit(add=[block(str(number))], flushed={"n": WalRange(number, number)}, **change)
    assert [info.key for info in store.list("t/checkpoints")] == [key(20, "checkpoints"), key(30, "checkpoints")]
    counting = WrappedStore(store)
    assert CommitLog(counting, "t").read() == listed
    assert sorted(counting.gets) == [key(30, "checkpoints"), *(key(n) for n in range(31, 38))]


def test_a_checkpoint_only_saves_reading(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged or deleted ones cost time, nothing else."""
    monkeypatch.setattr("storage.commit_log.CHECKPOINT_EVERY", 4)
    log = CommitLog(store, "t")
    for number in range(10):
        listed = log.commit(add=[block(str(number))])
    store.put(key(8, "checkpoints"), store.get(key(8, "checkpoints"))[:-20])
    with caplog.at_level(logging.WARNING):
        assert CommitLog(store, "t").read() == listed
    assert "went back to an older checkpoint" in caplog.text
    for info in store.list("t/checkpoints"):
        store.delete(info.key)
    assert CommitLog(store, "t").read() == listed


def test_a_checkpoint_that_cannot_be_written_does_not_fail_the_commit(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("storage.commit_log.CHECKPOINT_EVERY", 1)
    create = store.put_if_absent

    def no_checkpoints(key: str, data: bytes) -> bool:
        if "checkpoints" in key:
            msg = "No space left on device"
            raise StoreUnavailable(msg)
        return create(key, data)

    monkeypatch.setattr(store, "put_if_absent", no_checkpoints)
    with caplog.at_level(logging.WARNING):
        assert CommitLog(store, "t").commit(add=[block("a")]).number == 1
    assert "cannot write t/checkpoints" in caplog.text


def test_removed_blocks_are_remembered_for_a_while(store: ObjectStore) -> None:
    now = [1000]
    log = CommitLog(store, "t", clock=lambda: now[0])
    log.commit(add=[block("a"), block("b")])
    log.commit(remove=["a"])
    now[0] += REMOVED_KEPT_NS
    assert log.commit(remove=["b"]).removed == {"a": 1000, "b": now[0]}
    now[0] += 1
    assert log.commit(add=[block("c")]).removed == {"b": now[0] - 1}


# Damage


def test_any_changed_byte_of_an_entry_is_found(store: ObjectStore) -> None:
    CommitLog(store, "t").commit(add=[{"id": "a", "spans": 12}], flushed={"n": WalRange(1, 3)})
    data = store.get(key(1))
    for at, bit in itertools.product(range(len(data) - 1), (0, 1, 3, 7)):
        changed = bytearray(data)
        changed[at] ^= 1 << bit
        store.put(key(1), changed)
        with pytest.raises(BrokenLog, match=r"t/log/0+1\.json"):
            CommitLog(store, "t").read()
    for size in range(len(data) - 1):
        store.put(key(1), data[:size])
        with pytest.raises(BrokenLog):
            CommitLog(store, "t").read()


def test_a_missing_entry_is_told_at_the_start(store: ObjectStore) -> None:
    """Else a list would quietly lack whatever came behind."""
    log = CommitLog(store, "t")
    for name in "abc":
        log.commit(add=[block(name)])
    store.delete(key(2))
    with pytest.raises(BrokenLog, match=r"0+2\.json is missing, but entry 3 is there"):
        CommitLog(store, "t").read()


def test_an_entry_under_another_number_is_told(store: ObjectStore) -> None:
    CommitLog(store, "t").commit(add=[block("a")])
    store.put(key(2), store.get(key(1)))
    with pytest.raises(BrokenLog, match="holds entry 1"):
        CommitLog(store, "t").read()


def test_a_newer_version_is_told(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("storage.sealed_json.VERSION", 2)
        CommitLog(store, "t").commit(add=[block("a")])
    with pytest.raises(UnknownVersion, match="version 2"):
        CommitLog(store, "t").read()


@pytest.mark.parametrize("fields", [{}, {"number": 1}, {"number": 1, "blocks": [{}], "flushed": {}, "removed": {}}])
def test_documents_of_another_shape_are_damaged(fields: dict[str, object]) -> None:
    for kind in (LogEntry, BlockList):
        with pytest.raises(DamagedDocument, match="does not hold the fields"):
            kind.decode("document", seal(fields))


# A model: a dict of blocks, a dict of numbers


names = st.sampled_from("abcdef")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sets(names), st.sets(names), st.integers(0, 2), st.integers(1, 3))))
def test_any_history_gives_the_same_list_to_everybody(
    history: list[tuple[int, set[str], set[str], int, int]],
) -> None:
    """Three writers with lists of different age, against plain dicts; then a reader that starts afresh."""
    store = open_store("memory://")
    logs = [CommitLog(store, "t") for _ in range(3)]
    blocks: set[str] = set()
    flushed: dict[str, int] = {}
    for writer, add, remove, node, length in history:
        first = flushed.get(str(node), 0) + 1
        fits = remove <= blocks and not (add & blocks)
        with contextlib.nullcontext() if fits else pytest.raises(CommitConflict):
            logs[writer].commit(
                add=[block(name) for name in sorted(add)],
                remove=sorted(remove),
                flushed={str(node): WalRange(first, first + length)},
            )
        if fits:
            blocks = (blocks - remove) | add
            flushed[str(node)] = first + length
    lists = [log.read() for log in (*logs, CommitLog(store, "t"))]
    assert all(listed == lists[0] for listed in lists)
    assert (set(lists[0].blocks), dict(lists[0].flushed)) == (blocks, flushed)
    assert BlockList.decode("checkpoint", lists[0].encode()) == lists[0]


# Power


def commits(files: PowerLossFiles, done: list[str]) -> None:
    log = CommitLog(LocalStore(ROOT, files=files), "t")
    for name in "abcdef":
        log.commit(add=[block(name)])
        done.append(name)


@pytest.mark.parametrize("mode", ["least", "most", "mixed"])
def test_power_may_fail_at_every_operation(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that returned is there for good; one that did not is there wholly or not at all."""
    monkeypatch.setattr("storage.commit_log.CHECKPOINT_EVERY", 2)
    files = PowerLossFiles()
    commits(files, [])
    for cut, seed in itertools.product(range(1, files.operations + 1), range(4 if mode == "mixed" else 1)):
        files = PowerLossFiles(cut_at=cut, seed=seed)
        done: list[str] = []
        with contextlib.suppress(PowerCut):
            commits(files, done)
        files.pull_the_plug(mode)
        log = CommitLog(LocalStore(ROOT, files=files), "t")
        found = list(log.read().blocks)
        assert found in (done, list("abcdef"[: len(done) + 1]))
        assert list(log.commit(add=[block("new")]).blocks) == [*found, "new"]


def test_a_reader_trusts_only_what_is_durable() -> None:
    """A process died between creating an entry and syncing its name; who acts on the entry must sync it first."""
    for cut, seed in itertools.product(range(1, 200), range(3)):
        files = PowerLossFiles(cut_at=cut, seed=seed)
        try:
            commits(files, [])
            break
        except PowerCut:
            files.cut_at = None  # killed, not cut: everything live is still live
        seen = CommitLog(LocalStore(ROOT, files=files), "t").read()
        files.pull_the_plug("least")
        assert CommitLog(LocalStore(ROOT, files=files), "t").read().number >= seen.number
    else:
        pytest.fail("never came to an end")


def test_a_writer_trusts_its_own_entry_only_when_durable() -> None:
    """The disk failed to sync the entry's name: the entry is seen only once that has been made good."""
    plain = PowerLossFiles()
    log = CommitLog(LocalStore(ROOT, files=plain), "t")
    log.commit(add=[block("a")])
    before = plain.operations
    log.commit(add=[block("b")])
    for failing in range(before + 1, plain.operations + 1):
        files = PowerLossFiles(seed=failing)
        log = CommitLog(LocalStore(ROOT, files=files), "t")
        log.commit(add=[block("a")])
        files.failures = {failing: 5}
        with contextlib.suppress(StoreUnavailable):
            log.commit(add=[block("b")])
        files.failures = {}
        seen = log.read()
        files.pull_the_plug("least")
        assert CommitLog(LocalStore(ROOT, files=files), "t").read().number >= seen.number
