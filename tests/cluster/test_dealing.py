"""Who is given which tasks when: laws of dealing, and a thousand workers that are asked few times each."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.columns import ScanSource
from tempo_dask.cluster.dealing import IN_HAND, Deal, batches
from tempo_dask.cluster.executor import ClusterExecutor
from tempo_dask.cluster.members import Worker
from tempo_dask.cluster.shares import do_share
from tempo_dask.cluster.watch import Watch
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.physical.units import ScanUnit
from tempo_dask.physical.work import PartitionWork

QUEUES = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 300)), min_size=1, max_size=12)


def dealt(queues: list[tuple[int, int]]) -> tuple[Deal, dict[Worker, list[int]]]:
    """Return a deal, and the tasks of its workers: so many threads and tasks each."""
    places = iter(range(10**6))
    tasks = {
        Worker(f"tcp://worker-{number}:1", threads): [next(places) for _ in range(count)]
        for number, (threads, count) in enumerate(queues)
    }
    deal = Deal()
    deal.add(tasks)
    return deal, tasks


def played(
    deal: Deal, workers: list[Worker], order: random.Random, slow: Worker | None
) -> Iterator[tuple[Worker, Any]]:
    """Yield who is given what, while workers end their batches in any order; a slow one never ends any."""
    in_hand: Counter[Worker] = Counter()
    while True:
        given = [(worker, deal.next_batch(worker, in_hand[worker])) for worker in workers if has_room(worker, in_hand)]
        given = [(worker, batch) for worker, batch in given if batch]
        yield from given
        in_hand.update(worker for worker, _ in given)
        busy = [worker for worker in workers if in_hand[worker] and worker != slow]
        if not busy and not given:
            return
        if busy:
            in_hand[order.choice(busy)] -= 1


def has_room(worker: Worker, in_hand: Counter[Worker]) -> bool:
    return in_hand[worker] < IN_HAND * worker.threads


@settings(max_examples=40, deadline=None)
@given(QUEUES, st.randoms(use_true_random=False))
def test_every_task_is_dealt_once_in_few_batches(queues: list[tuple[int, int]], order: random.Random) -> None:
    deal, tasks = dealt(queues)
    given = list(played(deal, list(tasks), order, None))
    assert sorted(place for _, batch in given for place in batch) == list(range(sum(map(len, tasks.values()))))
    own = Counter(worker for worker, batch in given if batch[0] in tasks[worker])
    assert all(own[worker] <= batches(len(mine), worker.threads) for worker, mine in tasks.items())


@settings(max_examples=40, deadline=None)
@given(QUEUES.filter(lambda queues: len(queues) > 1), st.randoms(use_true_random=False))
def test_a_worker_that_hangs_keeps_what_it_has_in_hand_alone(
    queues: list[tuple[int, int]], order: random.Random
) -> None:
    deal, tasks = dealt(queues)
    slow = next(iter(tasks))
    given = list(played(deal, list(tasks), order, slow))
    assert sorted(place for _, batch in given for place in batch) == list(range(sum(map(len, tasks.values()))))
    assert sum(worker == slow for worker, _ in given) <= IN_HAND * slow.threads


def test_batches_shrink_and_own_tasks_come_first() -> None:
    deal, tasks = dealt([(1, 32), (1, 4)])
    first, second = tasks
    assert [len(deal.next_batch(first, 1)) for _ in range(2)] == [16, 8]
    assert [list(deal.next_batch(second, 1)) for _ in range(4)] == [[32, 33], [34, 35], [], []]
    assert list(deal.next_batch(second, 0)) == [24, 25, 26, 27]  # half of what the other has left
    assert list(deal.withdraw(first)) == [31, 30, 29, 28]
    assert not deal.next_batch(first, 0)


def test_live_spans_of_nodes_stay_with_them() -> None:
    node, worker = Worker("tcp://node:1", 1, "node-1"), Worker("tcp://worker:1", 1)
    deal = Deal()
    deal.add({node: range(6), worker: ()})
    assert not deal.next_batch(worker, 0)
    deal.withdraw(node)
    deal.add({worker: range(6)})
    assert not deal.next_batch(node, 0)


@dataclass(frozen=True)
class Spans:
    """What is known of a unit."""

    first_span: int = 0
    stop_span: int = 100


@dataclass(frozen=True)
class Known:
    """What is known of a source."""

    id: str
    tenant: str = "t"
    units: tuple[Spans, ...] = (Spans(),) * 10_000


@dataclass(frozen=True)
class FakeSource:
    """A block that nobody reads."""

    meta: Known

    def __reduce__(self) -> tuple[Any, ...]:
        return FakeSource, (Known(self.meta.id, units=()),)


@dataclass
class FakeLink:
    """Workers that answer from this process, but for some that are gone."""

    doomed: frozenset[str] = frozenset()
    asked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def submit(self, call: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(call, self.loop)

    async def ask(self, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
        if function is not do_share:
            return None
        self.asked[address] += 1
        if address in self.doomed:
            raise OSError("it is gone")
        packed, token = arguments
        return await do_share(packed, token, FakeDaskWorker())

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@dataclass
class FakeDaskWorker:
    """Has the event loop's own threads."""

    executors: Mapping[str, None] = field(default_factory=lambda: {"default": None})


@dataclass
class FakeMembers:
    """Workers as a scheduler would list them."""

    scanners: list[Worker]
    workers: list[Worker]

    def suspend(self, address: str) -> None:
        self.scanners = [worker for worker in self.scanners if worker.address != address]
        self.workers = list(self.scanners)


def seen(place: int, unit: ScanUnit) -> Counter[str]:
    return Counter([f"{place} {unit.source.meta.id} {unit.unit}"])


def joined(parts: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for part in parts:
        found.update(part)
    return found


def work_of(blocks: int, units: int) -> PartitionWork[ScanUnit, Counter[str]]:
    sources: list[Any] = [FakeSource(Known(f"block-{number}")) for number in range(blocks)]
    known: list[ScanSource] = sources
    return PartitionWork(tuple(ScanUnit(source, unit) for source in known for unit in range(units)), seen, joined)


@pytest.fixture
def thousand() -> Iterator[Callable[[frozenset[str]], tuple[ClusterExecutor, FakeLink]]]:
    made: list[tuple[ClusterExecutor, FakeLink]] = []

    def make(doomed: frozenset[str]) -> tuple[ClusterExecutor, FakeLink]:
        link, workers = FakeLink(doomed), [Worker(f"tcp://worker-{number}:1", 1) for number in range(1_000)]
        fakes: list[Any] = [link, FakeMembers(workers, list(workers))]
        watch = Watch(lambda _address: asyncio.sleep(0))
        made.append((ClusterExecutor(fakes[0], watch, fakes[1], LocalExecutor(1)), link))
        return made[-1]

    yield make
    for executor, link in made:
        executor.close()
        link.close()


def test_a_thousand_workers_are_asked_few_times(thousand: Any) -> None:
    executor, link = thousand(frozenset())
    work = work_of(50, 100)
    found = executor.run_now(work)
    assert found.total() == len(found) == len(work.tasks)
    assert 500 < len(link.asked) <= 1_000
    assert link.asked.total() <= 2_000
    assert link.asked.total() <= executor.graph_size(len(work.tasks))


def test_what_lost_ones_had_is_done_by_others(thousand: Any) -> None:
    doomed = frozenset(f"tcp://worker-{number}:1" for number in range(0, 1_000, 20))
    executor, link = thousand(doomed)
    work = work_of(50, 100)
    told: Counter[int] = Counter()
    lock = threading.Lock()

    def tell(tasks: int) -> None:
        with lock:
            told[0] += tasks

    found = executor.run_now(work, told=tell)
    assert found.total() == len(found) == told[0] == len(work.tasks)
    assert doomed & set(link.asked)
    assert executor.waiting_tasks == 0


def test_with_a_thousand_workers_batches_stay_few_and_long() -> None:
    """A hundred thousand tasks: to ask for each, or for ever smaller runs, the coordinator would be what takes time."""
    deal, tasks = dealt([(1, 100)] * 1_000)
    sizes = [[len(deal.next_batch(worker, 1)) for _ in range(4)] for worker in tasks]
    assert sizes == [[50, 31, 19, 0]] * 1_000
