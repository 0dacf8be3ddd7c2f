"""What happens in the lives of a node, and what must be true of it all the while.

The model is a dict: of each span when it arrived, and whether that was acknowledged. Whoever asks finds every
acknowledged span that is not older than the retention, and nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from storage.block_store import BlockStore
from storage.errors import StorageError
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.errors import Unavailable
from tempo_dask.maintenance.cycle import Maintenance
from tempo_dask.maintenance.limits import DAY_NS, CompactionLimits
from tests.simulation.asking import by_id, by_metrics, by_search
from tests.simulation.machine import SECOND_NS, Machine
from tests.simulation.node import Node, numbers_of
from tests.storage.power_loss import PowerCut

TENANTS = ("a", "b")
MINUTE_NS = 60 * SECOND_NS
LIMITS = CompactionLimits(block_retention=60 * MINUTE_NS, compacted_block_retention=5 * MINUTE_NS)
#: How a span is looked for.
WAYS = ("columns", "search", "metrics", "id")
#: How many traces are asked for by id.
TRACES_ASKED = 2
#: How often a start is followed by a question to the engine, a request repeated.
ASKED_AT_START, SENT_AGAIN = 0.3, 0.15
#: Pauses between the look at the list and the reading of what it lists.
READER_DAWDLES = (0, 0, 0, 60)
#: Blocks made in peace before a life, so that compaction and sweeping come early in some.
BLOCKS_BEFORE = (0, 0, 0, 0, 0, 3)
#: How often a machine crashes twice.
TWO_LIVES = 0.25
SURVIVED = (StorageError, OSError, Unavailable, ExceptionGroup)


@dataclass
class Model:
    """When each span of a tenant arrived, by number, and which were acknowledged."""

    arrived_ns: dict[str, dict[int, int]] = field(default_factory=lambda: {tenant: {} for tenant in TENANTS})
    acknowledged: dict[str, set[int]] = field(default_factory=lambda: {tenant: set() for tenant in TENANTS})
    sent_again: dict[str, set[int]] = field(default_factory=lambda: {tenant: set() for tenant in TENANTS})
    next_number: int = 0

    def must_have(self, tenant: str) -> set[int]:
        """Return what a query that begins now must find, as long as it is not expired when the query ends."""
        return set(self.acknowledged[tenant])

    def check(self, tenant: str, found: Counter[int], wanted: set[int], now_ns: int, *, way: str) -> None:
        """Compare what was found with what must be there; bare columns hold twice what was sent twice."""
        oldest_ns = now_ns - LIMITS.block_retention
        young = {number for number in wanted if self.arrived_ns[tenant][number] >= oldest_ns}
        assert young <= set(found), f"lost, by {way}: {sorted(young - set(found))}"
        assert set(found) <= set(self.arrived_ns[tenant]), f"found what was never sent, by {way}"
        doubled = {number for number, times in found.items() if times > 1}
        assert not doubled - (self.sent_again[tenant] if way == "columns" else set()), f"doubled, by {way}: {doubled}"


class Lives:
    """The lives of one seed."""

    def __init__(self, seed: int, executor: LocalExecutor) -> None:
        self.machine = Machine(seed)
        self.model = Model()
        self._executor = executor
        self._busy = 0

    def live(self) -> None:
        lives = 2 if self.machine.rng.random() < TWO_LIVES else 1
        with self.machine.in_charge():
            for _ in range(lives):
                node = self._start()
                for _ in range(self.machine.rng.choice(BLOCKS_BEFORE)):
                    self._push(node)
                    node.decode_all()
                    node.flusher.flush()
                self.machine.arm()
                self._one_life(node)
                self.machine.restart()
            node = self._start()
            node.flusher.flush()
            asked, other = self.machine.rng.sample(TENANTS, 2)
            self._read_late(node, asked)
            for way in WAYS[1:]:
                self._check(node, asked, way)
            self._check(node, other, self.machine.rng.choice(WAYS))
            self.machine.now_ns += LIMITS.block_retention + DAY_NS
            self._compacted()
            assert all(not node.snapshot(tenant) for tenant in TENANTS), "kept beyond the retention"

    def _start(self) -> Node:
        node = Node(self.machine)
        node.decode_all()
        for tenant in TENANTS:
            assert not node.blocks.snapshot(tenant).set_aside
            self._check(node, tenant, "columns")
        if self.machine.rng.random() < ASKED_AT_START:
            self._check(node, self.machine.rng.choice(TENANTS), self.machine.rng.choice(WAYS))
        return node

    def _one_life(self, node: Node) -> None:
        spawn, rng = self.machine.scheduler.spawn, self.machine.rng
        self._busy = 0
        for name, act, times in (
            ("writer", lambda: self._push(node), rng.randint(3, 7)),
            ("reader", lambda: self._read(node), rng.randint(1, 3)),
            ("sleeper", self._sleep, int(rng.random() < 0.4)),
        ):
            self._busy += 1
            spawn(name, self._times(act, times))
        spawn("compactor", lambda: self._while_busy(self._compacted))
        spawn("other compactor", lambda: self._while_busy(self._compacted))
        spawn("decoder", lambda: self._while_busy(lambda: node.decoder.step(timeout_s=0)))
        spawn("flusher", lambda: self._while_busy(lambda: (node.merger.step(), node.flusher.step())))
        self.machine.scheduler.run(PowerCut)

    def _times(self, act: Callable[[], object], times: int) -> Callable[[], None]:
        def acts() -> None:
            try:
                for _ in range(times):
                    self._survive(act)
                    for _ in range(self.machine.rng.randint(1, 12)):
                        self.machine.pause()
            finally:
                self._busy -= 1

        return acts

    def _while_busy(self, act: Callable[[], object]) -> None:
        while self._busy:
            self._survive(act)
            if self._busy:  # then somebody else is still there
                self.machine.scheduler.pause(must_switch=True)

    def _survive(self, act: Callable[[], object]) -> None:
        """Do something whose errors a process reports and outlives."""
        try:
            act()
        except SURVIVED as error:
            if isinstance(error, ExceptionGroup) and error.split(SURVIVED)[1] is not None:
                raise

    def _push(self, node: Node) -> None:
        rng, model = self.machine.rng, self.model
        group = []
        for _ in range(rng.randint(1, 2)):
            tenant = rng.choice("aaab")
            sent = self._again(tenant) if rng.random() < SENT_AGAIN else self._new()
            group.append((tenant, sent))
            for number in sent:
                model.arrived_ns[tenant].setdefault(number, self.machine.now_ns)
        arrived_ns = self.machine.now_ns
        node.push(group, arrived_ns)
        for tenant, sent in group:
            model.acknowledged[tenant].update(sent)
            model.arrived_ns[tenant].update(dict.fromkeys(sent, arrived_ns))

    def _new(self) -> Sequence[int]:
        first = self.model.next_number
        self.model.next_number = first + self.machine.rng.randint(1, 4)
        return range(first, self.model.next_number)

    def _again(self, tenant: str) -> Sequence[int]:
        """Return a few spans that a client sends once more, for it heard no answer or its own was lost."""
        sent = sorted(self.model.arrived_ns[tenant])[-12:]
        if not sent:
            return self._new()
        again = self.machine.rng.sample(sent, min(len(sent), 3))
        self.model.sent_again[tenant].update(again)
        return again

    def _read(self, node: Node) -> None:
        tenant = self.machine.rng.choice(TENANTS)
        while not node.live.caught_up(tenant).done():
            self.machine.scheduler.pause(must_switch=True)
        self._check(node, tenant, self.machine.rng.choice(WAYS))

    def _read_late(self, node: Node, tenant: str) -> None:
        """Read what an older list names when others have compacted that, and have looked for what may go."""
        started_ns, wanted, older = self.machine.now_ns, self.model.must_have(tenant), node.snapshot(tenant)
        self._compacted()
        self._compacted()
        if not self._may_lack_files(started_ns):
            self.model.check(tenant, numbers_of(older), wanted, self.machine.now_ns, way="columns")

    def _sleep(self) -> None:
        self.machine.now_ns += self.machine.rng.choice([1, 3, 8, 25]) * MINUTE_NS

    def _compacted(self) -> None:
        """Another process looks after the blocks, and ends."""
        store = BlockStore(self.machine.store(), clock=self.machine.clock)
        Maintenance(store, LIMITS, clock=self.machine.clock).step()

    def _check(self, node: Node, tenant: str, way: str) -> None:
        """Query, perhaps while everything else goes on; after a grace period's time files may be gone."""
        started_ns, wanted = self.machine.now_ns, self.model.must_have(tenant)
        if way == "id":
            of = {number // 3 for number in self.machine.rng.sample(sorted(wanted), min(len(wanted), TRACES_ASKED))}
            wanted = {number for number in wanted if number // 3 in of}
        try:
            found = self.machine.awaited(self._found(node, tenant, way, wanted))
        except StorageError:
            if not self._may_lack_files(started_ns):
                raise
            return
        if (missing := node.sources.set_aside(tenant)) and self._may_lack_files(started_ns):
            return
        assert not missing, f"cannot be read, by {way}: {missing}"
        self.model.check(tenant, found, wanted, self.machine.now_ns, way=way)

    def _may_lack_files(self, started_ns: int) -> bool:
        """Return whether a query that began then may find files gone that were compacted since."""
        return self.machine.now_ns - started_ns > LIMITS.compacted_block_retention

    async def _found(self, node: Node, tenant: str, way: str, wanted: set[int]) -> Counter[int]:
        """Return how often each span is found in one of the `WAYS`; by id, of the traces of those wanted."""
        engine = Engine(node.sources, self._executor)
        if way == "columns":
            sources = await node.sources.snapshot(tenant)
            for _ in range(self.machine.rng.choice(READER_DAWDLES)):
                self.machine.pause()
            return numbers_of(sources)
        if way == "search":
            return await by_search(engine, tenant)
        if way == "metrics":
            return await by_metrics(engine, tenant)
        return await by_id(engine, tenant, sorted({number // 3 for number in wanted}))
