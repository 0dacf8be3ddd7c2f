"""Requests that arrive together are written together, and each gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from tempo_dask.errors import BadRequest, Unavailable
from tempo_dask.ingest import commit_group
from tempo_dask.ingest.commit_group import Committer
from tempo_dask.ingest.records import MalformedRequest, Record
from tempo_dask.ingest.room import Overloaded, Room
from tempo_dask.kernels import otlp
from tests.ingest.numbered import FakeLog, body

#: A span with an id and without a trace id.
NO_TRACE_ID = b"\x0a\x0e\x12\x0c\x12\x0a\x12\x08" + b"\x01" * 8


class SlowLog(FakeLog):
    """Writes only while the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.writing = threading.Event()

    def append(self, records: Sequence[tuple[str, bytes]], *, arrived_ns: int) -> range:
        self.writing.set()
        assert self.gate.wait(10)
        return super().append(records, arrived_ns=arrived_ns)


class FakeLive:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.has_room = True

    def wait_for_room(self, timeout_s: float) -> bool:
        return self.has_room

    def accept(self, records: Sequence[Record]) -> None:
        self.records += records


@pytest.fixture
def log() -> SlowLog:
    return SlowLog()


@pytest.fixture
def live() -> FakeLive:
    return FakeLive()


@pytest_asyncio.fixture
async def committer(log: SlowLog, live: FakeLive) -> AsyncIterator[Committer]:
    committer = Committer(log, live, otlp.check, room=Room(1000, 1000))
    committer.start()
    yield committer
    log.gate.set()
    await committer.stop()


async def test_what_arrives_while_a_group_is_written_is_the_next_group(
    committer: Committer, log: SlowLog, live: FakeLive
) -> None:
    first = asyncio.create_task(committer.push("t", body([0])))
    await asyncio.to_thread(log.writing.wait, 10)
    others = [asyncio.create_task(committer.push("t", body([n, n + 1]))) for n in (10, 20, 30)]
    await asyncio.sleep(0)
    log.gate.set()
    assert await asyncio.gather(first, *others) == [1, 2, 2, 2]
    assert [len(group) for group in log.groups] == [1, 3]
    assert [(record.seq, record.tenant, record.spans) for record in live.records] == [
        (1, "t", 1), (2, "t", 2), (3, "t", 2), (4, "t", 2),
    ]  # fmt: skip


async def test_nothing_is_acknowledged_before_it_is_written(committer: Committer, log: SlowLog) -> None:
    push = asyncio.create_task(committer.push("t", body([0])))
    await asyncio.to_thread(log.writing.wait, 10)
    done, _ = await asyncio.wait([push], timeout=0.05)
    assert not done
    log.gate.set()
    assert await push == 1


async def test_bad_requests_are_refused_one_by_one(committer: Committer, log: SlowLog, live: FakeLive) -> None:
    held = asyncio.create_task(committer.push("t", body([0])))
    await asyncio.to_thread(log.writing.wait, 10)
    bodies = [body([1]), b"\xff\xff\xff", body([2]), NO_TRACE_ID, b"", body([3])]
    pushes = [asyncio.create_task(committer.push("t", each)) for each in bodies]
    await asyncio.sleep(0)
    log.gate.set()
    await held
    good, malformed, good2, refused, empty, good3 = await asyncio.gather(*pushes, return_exceptions=True)
    assert (good, good2, empty, good3) == (1, 1, 0, 1)
    assert isinstance(malformed, MalformedRequest)
    assert isinstance(refused, BadRequest)
    assert not isinstance(refused, MalformedRequest)
    assert str(refused) == "trace ids must be 128 bit, received 0 bits"
    assert [len(group) for group in log.groups] == [1, 3]
    assert len(live.records) == 4


async def test_a_full_disk_acknowledges_nothing_and_passes(committer: Committer, log: SlowLog, live: FakeLive) -> None:
    log.gate.set()
    log.fail = 1
    with pytest.raises(Unavailable, match="write-ahead log"):
        await committer.push("t", body([0]))
    assert live.records == []
    assert await committer.push("t", body([1])) == 1


async def test_full_memory_pushes_back(
    committer: Committer, log: SlowLog, live: FakeLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_group, "ROOM_TIMEOUT_S", 0.01)
    log.gate.set()
    live.has_room = False
    with pytest.raises(Overloaded, match="fill their memory"):
        await committer.push("t", body([0]))
    assert log.groups == []


async def test_a_fault_of_the_check_does_not_end_the_thread(log: SlowLog, live: FakeLive) -> None:
    faults = iter([True, False])

    def check(bodies: Sequence[bytes]) -> Sequence[commit_group.Verdict]:
        if next(faults):
            raise ZeroDivisionError
        return otlp.check(bodies)

    committer = Committer(log, live, check)
    committer.start()
    log.gate.set()
    with pytest.raises(Unavailable, match="could not be taken"):
        await committer.push("t", body([0]))
    assert await committer.push("t", body([0])) == 1
    await committer.stop()


async def test_waiting_bytes_are_bounded(committer: Committer, log: SlowLog) -> None:
    """1000 bytes are in, 1000 wait, and whoever comes then is sent away at once."""
    large = body(range(10))
    assert 600 < len(large) < 1000
    first = asyncio.create_task(committer.push("t", large))
    await asyncio.to_thread(log.writing.wait, 10)
    waiting = asyncio.create_task(committer.push("t", large))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="too many bytes wait"):
        await committer.push("t", large)
    log.gate.set()
    assert await asyncio.gather(first, waiting) == [10, 10]
    assert [len(group) for group in log.groups] == [1, 1]


async def test_stopping_finishes_what_waits_and_refuses_the_rest(committer: Committer, log: SlowLog) -> None:
    pushes = [asyncio.create_task(committer.push("t", body([n]))) for n in range(3)]
    await asyncio.to_thread(log.writing.wait, 10)
    stopping = asyncio.create_task(committer.stop())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="stops"):
        await committer.push("t", body([9]))
    log.gate.set()
    await stopping
    assert await asyncio.gather(*pushes) == [1, 1, 1]


async def test_a_client_that_leaves_does_not_disturb_its_group(committer: Committer, log: SlowLog) -> None:
    leaving, staying = (asyncio.create_task(committer.push("t", body([n]))) for n in range(2))
    await asyncio.to_thread(log.writing.wait, 10)
    leaving.cancel()
    log.gate.set()
    assert await staying == 1
    assert committer._room.used == 0
