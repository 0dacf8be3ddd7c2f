"""What happens in the lives of a node, and what must be true of it all the while.

The model is a dict: of each span when it arrived, and whether that was acknowledged. Whoever asks finds every
acknowledged span that is not older than the retention, and nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from storage.block_store import BlockStore
from storage.errors import StorageError
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import RangeRequest, SearchRequest, TraceRequest, Window
from tempo_dask.errors import Unavailable
from tempo_dask.maintenance.cycle import Maintenance
from tempo_dask.maintenance.limits import DAY_NS, CompactionLimits
from tests.ingest.numbered import START_NS, numbers
from tests.simulation.machine import SECOND_NS, Machine
from tests.simulation.node import Node, numbers_of
from tests.storage.power_loss import PowerCut

TENANTS = ("a", "b")
MINUTE_NS = 60 * SECOND_NS
LIMITS = CompactionLimits(block_retention=60 * MINUTE_NS, compacted_block_retention=5 * MINUTE_NS)
EVER = Window(-(2**62), 2**62)
SURVIVED = (StorageError, OSError, Unavailable, ExceptionGroup)


@dataclass
class Model:
    """When each span of a tenant arrived, by number, and which were acknowledged."""

    arrived_ns: dict[str, dict[int, int]] = field(default_factory=lambda: {tenant: {} for tenant in TENANTS})
    acknowledged: dict[str, set[int]] = field(default_factory=lambda: {tenant: set() for tenant in TENANTS})
    next_number: int = 0

    def must_have(self, tenant: str) -> set[int]:
        """Return what a query that begins now must find, as long as it is not expired when the query ends."""
        return set(self.acknowledged[tenant])

    def check(self, tenant: str, found: Counter[int], wanted: set[int], now_ns: int) -> None:
        oldest_ns = now_ns - LIMITS.block_retention
        young = {number for number in wanted if self.arrived_ns[tenant][number] >= oldest_ns}
        assert young <= set(found), f"lost: {sorted(young - set(found))}"
        assert set(found) <= set(self.arrived_ns[tenant]), "found what was never sent"
        assert set(found.values()) <= {1}, f"doubled: {[n for n, times in found.items() if times > 1]}"


class Lives:
    """The lives of one seed."""

    def __init__(self, seed: int, executor: LocalExecutor) -> None:
        self.machine = Machine(seed)
        self.model = Model()
        self._executor = executor
        self._busy = 0

    def live(self, lives: int) -> None:
        with self.machine.in_charge():
            for _ in range(lives):
                node = self._start()
                self.machine.arm()
                self._one_life(node)
                self.machine.restart()
            node = self._start()
            node.flusher.flush()
            self._compacted()
            self._check_all(node)
            asyncio.run(self._ask(node, self.machine.rng.choice(TENANTS)))
            self.machine.now_ns += LIMITS.block_retention + DAY_NS
            self._compacted()
            assert all(not node.snapshot(tenant) for tenant in TENANTS)

    def _start(self) -> Node:
        node = Node(self.machine)
        node.decode_all()
        self._check_all(node)
        return node

    def _one_life(self, node: Node) -> None:
        spawn, rng = self.machine.scheduler.spawn, self.machine.rng
        self._busy = 0
        for name, act, times in (
            ("writer", lambda: self._push(node), rng.randint(5, 9)),
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
        rng = self.machine.rng
        group = []
        for _ in range(rng.randint(1, 2)):
            tenant, first = rng.choice("aaab"), self.model.next_number
            sent = range(first, first + rng.randint(1, 4))
            self.model.next_number = sent.stop
            group.append((tenant, sent))
            self.model.arrived_ns[tenant].update(dict.fromkeys(sent, self.machine.now_ns))
        node.push(group, self.machine.now_ns)
        for tenant, sent in group:
            self.model.acknowledged[tenant].update(sent)

    def _read(self, node: Node) -> None:
        """Query while everything else goes on; after a grace period's time files may be gone, and it asks again."""
        tenant = self.machine.rng.choice(TENANTS)
        while not node.live.caught_up(tenant).done():
            self.machine.scheduler.pause(must_switch=True)
        started_ns, wanted = self.machine.now_ns, self.model.must_have(tenant)
        try:
            found = numbers_of(node.snapshot(tenant))
        except StorageError:
            assert self.machine.now_ns - started_ns > LIMITS.compacted_block_retention
            return
        self.model.check(tenant, found, wanted, self.machine.now_ns)

    def _sleep(self) -> None:
        self.machine.now_ns += self.machine.rng.choice([1, 3, 8, 25]) * MINUTE_NS

    def _compacted(self) -> None:
        """Another process looks after the blocks, and ends."""
        store = BlockStore(self.machine.store(), clock=self.machine.clock)
        Maintenance(store, LIMITS, clock=self.machine.clock).step()

    def _check_all(self, node: Node) -> None:
        for tenant in TENANTS:
            assert not node.blocks.snapshot(tenant).set_aside
            found = numbers_of(node.snapshot(tenant))
            self.model.check(tenant, found, self.model.must_have(tenant), self.machine.now_ns)
        if self.machine.rng.random() < 0.15:
            asyncio.run(self._ask(node, self.machine.rng.choice(TENANTS)))

    async def _ask(self, node: Node, tenant: str) -> None:
        """Ask the engine by search, by metrics and by id: each answer has what the columns have, once."""
        expected = numbers_of(await node.sources.snapshot(tenant))
        engine = Engine(node.sources, self._executor)
        found = await engine.search(SearchRequest(tenant, "{}", EVER, limit=10_000, spans_per_set=10_000))
        shown = [span.span_id for trace in found.traces for each in trace.span_sets for span in each.spans]
        assert Counter(int.from_bytes(span_id, "big") - 1 for span_id in shown) == expected
        start_ns = START_NS // MINUTE_NS * MINUTE_NS - MINUTE_NS
        stop_ns = start_ns + 2 * MINUTE_NS + self.model.next_number
        request = RangeRequest(tenant, "{} | count_over_time()", start_ns, stop_ns, MINUTE_NS)
        series = (await engine.query_range(request)).series
        assert sum(float(each.values.sum()) for each in series) == expected.total()
        if expected:
            trace = self.machine.rng.choice(sorted(expected)) // 3
            answer = await engine.trace(TraceRequest(tenant, (trace + 1).to_bytes(16, "big")))
            assert answer.tables is not None
            assert numbers(answer.tables) == sorted(n for n in expected if n // 3 == trace)
