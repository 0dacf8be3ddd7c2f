"""What happens in the lives of one or two nodes on one bucket, and what must be true of them all the while.

Whoever asks, whichever node, finds every acknowledged span that is neither older than the retention nor erased,
nothing twice, and nothing that was erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from storage.block_store import BlockStore
from storage.errors import StorageError
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.errors import Unavailable
from tempo_dask.maintenance.cycle import Maintenance
from tempo_dask.maintenance.erase import hide_traces
from tempo_dask.maintenance.limits import DAY_NS, CompactionLimits
from tests.ingest import numbered
from tests.simulation import rich
from tests.simulation.asking import by_id, by_metrics, by_search, traces_with
from tests.simulation.machine import SECOND_NS, Machine
from tests.simulation.model import TENANTS, Model, trace_of
from tests.simulation.node import Node, numbers_of
from tests.storage.power_loss import PowerCut

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
#: How often a machine crashes twice, has two nodes, somebody erases, and spans hold all that a block can.
TWO_LIVES, TWO_NODES, ERASES, RICH = 0.2, 0.1, 0.08, 0.04
SURVIVED = (StorageError, OSError, Unavailable, ExceptionGroup)


class Lives:
    """The lives of one seed."""

    def __init__(self, seed: int, executor: LocalExecutor) -> None:
        self.machine = Machine(seed)
        self.model = Model(LIMITS.block_retention)
        rng = self.machine.rng
        self._lives = 2 if rng.random() < TWO_LIVES else 1
        self._names = ["node", "other"] if rng.random() < TWO_NODES else ["node"]
        self._body = rich.body if rng.random() < RICH else numbered.body
        self._erases = rng.random() < ERASES
        self._executor = executor
        self._nodes: list[Node] = []
        self._busy = 0

    def live(self) -> None:
        with self.machine.in_charge():
            for _ in range(self._lives):
                self._start()
                for _ in range(self.machine.rng.choice(BLOCKS_BEFORE)):
                    self._push()
                    self._flush()
                self.machine.arm()
                self._one_life()
                self.machine.restart()
            self._start()
            if self._erases:
                self._erase_in_peace()
            self._flush()
            self._check_at_the_end()

    def _check_at_the_end(self) -> None:
        asked, other = self.machine.rng.sample(TENANTS, 2)
        self._read_late(asked)
        for way in WAYS[1:]:
            self._check(asked, way)
        self._check(other, self.machine.rng.choice(WAYS))
        self.machine.now_ns += LIMITS.block_retention + DAY_NS
        self._compacted()
        for node in self._nodes:
            assert all(not node.snapshot(tenant) for tenant in TENANTS), "kept beyond the retention"

    def _start(self) -> None:
        self._nodes = [Node(self.machine, name, self._body) for name in self._names]
        for node in self._nodes:
            node.neighbours.nodes = [each for each in self._nodes if each is not node]
            node.decode_all()
        for tenant in TENANTS:
            assert not self._nodes[0].blocks.snapshot(tenant).set_aside
            self._check(tenant, "columns")
        if self.machine.rng.random() < ASKED_AT_START:
            self._check(self.machine.rng.choice(TENANTS), self.machine.rng.choice(WAYS))

    def _flush(self) -> None:
        for node in self._nodes:
            node.flush()

    def _one_life(self) -> None:
        spawn, rng = self.machine.scheduler.spawn, self.machine.rng
        self._busy = 0
        for name, act, times in (
            ("writer", self._push, rng.randint(3, 7)),
            ("reader", self._read, rng.randint(1, 3)),
            ("sleeper", self._sleep, int(rng.random() < 0.4)),
            ("eraser", self._erase, rng.randint(1, 2) if self._erases else 0),
        ):
            self._busy += 1
            spawn(name, self._times(act, times))
        spawn("compactor", self._while_busy(self._compacted))
        spawn("other compactor", self._while_busy(self._compacted))
        for node in self._nodes:
            spawn(f"decoder of {node.name}", self._while_busy(lambda node=node: node.decoder.step(timeout_s=0)))
            spawn(f"flusher of {node.name}", self._while_busy(lambda node=node: self._flush_step(node)))
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

    def _while_busy(self, act: Callable[[], object]) -> Callable[[], None]:
        def acts() -> None:
            while self._busy:
                self._survive(act)
                if self._busy:  # then somebody else is still there
                    self.machine.scheduler.pause(must_switch=True)

        return acts

    def _survive(self, act: Callable[[], object]) -> None:
        """Do something whose errors a process reports and outlives."""
        try:
            act()
        except SURVIVED as error:
            if isinstance(error, ExceptionGroup) and error.split(SURVIVED)[1] is not None:
                raise

    def _flush_step(self, node: Node) -> None:
        node.merger.step()
        node.flusher.step()
        if self._erases:
            node.erasure.step()

    def _push(self) -> None:
        rng = self.machine.rng
        group = []
        for _ in range(rng.randint(1, 2)):
            tenant = rng.choice("aaab")
            group.append((tenant, self._again(tenant) if rng.random() < SENT_AGAIN else self._new()))
        now_ns = self.machine.now_ns
        with self.model.sending(group, now_ns):
            rng.choice(self._nodes).push(group, now_ns)

    def _new(self) -> Sequence[int]:
        first = self.model.next_number
        self.model.next_number = first + self.machine.rng.randint(1, 4)
        return range(first, self.model.next_number)

    def _again(self, tenant: str) -> Sequence[int]:
        """Return a few spans that a client sends once more, for it heard no answer or its own was lost."""
        sent = self.model.to_send_again(tenant)
        if not sent:
            return self._new()
        again = self.machine.rng.sample(sent, min(len(sent), 3))
        self.model.sent_again[tenant].update(again)
        return again

    def _read(self) -> None:
        tenant = self.machine.rng.choice(TENANTS)
        while not all(node.has_decoded(tenant) for node in self._nodes):
            self.machine.scheduler.pause(must_switch=True)
        self._check(tenant, self.machine.rng.choice(WAYS))

    def _read_late(self, tenant: str) -> None:
        """Read what an older list names when others have compacted that, and have looked for what may go."""
        node = self.machine.rng.choice(self._nodes)
        started_ns, expected, older = self.machine.now_ns, self._expected(tenant), node.snapshot(tenant)
        self._compacted()
        self._compacted()
        if not self._may_lack_files(started_ns):
            self.model.check(tenant, numbers_of(older), expected, self.machine.now_ns, way="columns")

    def _sleep(self) -> None:
        self.machine.now_ns += self.machine.rng.choice([1, 3, 8, 25]) * MINUTE_NS

    def _compacted(self) -> None:
        """Another process looks after the blocks, and ends."""
        Maintenance(self._store(), LIMITS, clock=self.machine.clock).step()

    def _erase(self) -> None:
        """Another process hides a trace, by its id or by what a query finds."""
        rng, tenant = self.machine.rng, self.machine.rng.choice(TENANTS)
        if not self.model.acknowledged[tenant]:
            return
        number = rng.choice(sorted(self.model.acknowledged[tenant]))
        traces = {trace_of(number)}
        if rng.random() < 0.5:
            engine = Engine(rng.choice(self._nodes).sources, self._executor)
            found = self.machine.awaited(traces_with(engine, tenant, number))
            assert found <= traces, f"expected {traces}, found {found}"
            traces = found
        store = self._store()
        if traces:
            ids = [(trace + 1).to_bytes(16, "big") for trace in traces]
            with self.model.erasing(tenant, traces):
                hide_traces(store, tenant, ids, grace_s=rng.choice([0, 5]), clock=self.machine.clock)

    def _erase_in_peace(self) -> None:
        """Erase what lies in blocks, or in memory and the log; all erasures end, and nothing of it comes back."""
        self._push()
        for node in self._nodes:
            node.decode_all()
            node.erasure.step()
        self._erase()
        for tenant in TENANTS:
            self._check(tenant, "columns")
        for attempt in range(12):
            for node in self._nodes:
                node.erasure.step()
            self._compacted()
            if not any(self._nodes[0].blocks.block_list(tenant).hidden for tenant in TENANTS):
                break
            self.machine.now_ns += (1 if attempt < 3 else 30) * MINUTE_NS
        else:
            raise AssertionError("an erasure does not end")
        for tenant in TENANTS:
            self._check(tenant, "columns")

    def _store(self) -> BlockStore:
        return BlockStore(self.machine.store(), clock=self.machine.clock)

    def _expected(self, tenant: str) -> tuple[set[int], set[int]]:
        return self.model.must_have(tenant), self.model.must_not_have(tenant)

    def _check(self, tenant: str, way: str) -> None:
        """Query, perhaps while everything else goes on; after a grace period's time files may be gone."""
        node = self.machine.rng.choice(self._nodes)
        started_ns, (wanted, gone) = self.machine.now_ns, self._expected(tenant)
        traces = sorted({trace_of(number) for number in wanted | gone})
        if way == "id":
            traces = self.machine.rng.sample(traces, min(len(traces), TRACES_ASKED))
            wanted = {number for number in wanted if trace_of(number) in traces}
        try:
            found = self.machine.awaited(self._found(node, tenant, way, traces))
        except StorageError:
            if not self._may_lack_files(started_ns):
                raise
            return
        if (missing := node.sources.set_aside(tenant)) and self._may_lack_files(started_ns):
            return
        assert not missing, f"cannot be read, by {way}: {missing}"
        self.model.check(tenant, found, (wanted, gone), self.machine.now_ns, way=way)

    def _may_lack_files(self, started_ns: int) -> bool:
        """Return whether a query that began then may find files gone that were compacted since.

        Who erases says how long queries that run may go on.
        """
        grace_ns = 0 if self._erases else LIMITS.compacted_block_retention
        return self.machine.now_ns - started_ns > grace_ns

    async def _found(self, node: Node, tenant: str, way: str, traces: Sequence[int]) -> Counter[int]:
        """Return how often each span is found in one of the `WAYS`; by id, of some traces."""
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
        return await by_id(engine, tenant, traces, self._body)
