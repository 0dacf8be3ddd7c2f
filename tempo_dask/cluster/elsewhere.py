"""The live spans of other nodes as sources of a query: known here, scanned where they are."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from storage.columns import Column, ScanSource, SourceMeta, SpanTables, TableName, TypeName
from storage.errors import DamagedBlock
from storage.trace_index import TraceIndex
from tempo_dask.cluster.lending import Lent, held_chunk, lend, lend_traces
from tempo_dask.cluster.link import Link, WorkerFailed
from tempo_dask.cluster.members import Members, Worker
from tempo_dask.cluster.nodes import Nodes
from tempo_dask.cluster.watch import Watch, WorkerLost
from tempo_dask.ingest.live_tenant import BlockListTooOld

#: How long a node may take to say what it has; its decoder may be busy.
LEND_WITHIN_S = 10.0
TAKE_WITHIN_S = 30.0

#: Takes whole traces of a chunk from the node that holds it: tenant, chunk, rows.
Take: TypeAlias = Callable[[str, str, Sequence[int]], SpanTables]


class OutOfReach(DamagedBlock):
    """The node that holds live spans cannot be asked; an answer without them is partial."""


@dataclass(frozen=True, slots=True, eq=False)
class DistantChunk(ScanSource):
    """A live chunk that another node holds. To read it, the work goes there; whole traces can be fetched."""

    known: SourceMeta
    node: str
    index: TraceIndex
    take: Take = field(repr=False)

    @property
    def meta(self) -> SourceMeta:
        """Return what is known without reading."""
        return self.known

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        """Travel to the node as what it calls the chunk."""
        return held_chunk, (self.meta.tenant, self.meta.id)

    def read(self, table: TableName, name: str, unit: int) -> Column | None:  # noqa: ARG002  # the contract's
        """Raise OutOfReach: that it is read here means that the node was lost."""
        raise self._out_of_reach()

    def read_rest(self, table: TableName, key: str, unit: int) -> Mapping[TypeName, Column]:  # noqa: ARG002  # as above
        """Raise OutOfReach, as `read` does."""
        raise self._out_of_reach()

    def find(self, trace_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Return for each id (n, 16) its row in traces, or -1."""
        return self.index.find(trace_ids)

    def sorted_trace_ids(self) -> npt.NDArray[np.uint8]:
        """Return all trace ids (traces, 16), ascending bytewise."""
        return self.index.ids

    def take_traces(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> SpanTables:
        """Fetch every column of the given traces; blocks. Raises OutOfReach."""
        return self.take(self.meta.tenant, self.meta.id, np.asarray(rows, np.int64).tolist())

    def _out_of_reach(self) -> OutOfReach:
        return OutOfReach(f"live spans of node {self.node} are out of reach")


class LiveElsewhere:
    """Asks the other nodes for their live spans. For the coroutines of any event loop."""

    def __init__(self, link: Link, watch: Watch, members: Members, nodes: Nodes, own_node: str) -> None:
        self._link = link
        self._watch = watch
        self._members = members
        self._nodes = nodes
        self._own_node = own_node
        self._known: dict[tuple[str, str], dict[str, DistantChunk]] = {}  # by tenant and node, then by id

    async def after(self, tenant: str, flushed: Mapping[str, int]) -> tuple[tuple[ScanSource, ...], Mapping[str, str]]:
        """Return what other nodes hold of a tenant that blocks up to these numbers do not, and who cannot be asked.

        Raises BlockListTooOld where a node has given up some of that already.
        """
        nodes = [worker for worker in self._members.workers if worker.node not in ("", self._own_node)]
        asked = [self._link.submit(self._of(worker, tenant, flushed.get(worker.node, 0))) for worker in nodes]
        answers = await asyncio.gather(*(asyncio.wrap_future(answer) for answer in asked), return_exceptions=True)
        missing = {
            f"live spans of node {node}": why for node, why in self._nodes.lost().items() if node != self._own_node
        }
        sources: list[ScanSource] = []
        for worker, answer in zip(nodes, answers, strict=True):
            if isinstance(answer, WorkerLost | WorkerFailed | TimeoutError):
                self._members.suspend(worker.address)
                missing[f"live spans of node {worker.node}"] = "it does not answer"
            elif isinstance(answer, BaseException):
                raise answer
            else:
                sources.extend(answer)
        return tuple(sources), missing

    async def _of(self, worker: Worker, tenant: str, after_seq: int) -> list[DistantChunk]:
        """Return the chunks of one node; what was told before is not told again."""
        known = self._known.get((tenant, worker.node), {})
        async with asyncio.timeout(LEND_WITHIN_S):
            ask = self._link.ask(worker.address, lend, tenant, after_seq, frozenset(known))
            answer = await self._watch.over(worker.address, ask)
        if answer is None:
            raise BlockListTooOld
        told: list[str | Lent] = pickle.loads(answer)  # noqa: S301  # from a node of ours
        chunks = [known[one] if isinstance(one, str) else self._distant(worker.node, one) for one in told]
        if chunks or known:  # anybody can ask for any tenant: those without spans leave no trace
            self._known[tenant, worker.node] = {chunk.meta.id: chunk for chunk in chunks}
        return chunks

    def _distant(self, node: str, lent: Lent) -> DistantChunk:
        def take(tenant: str, chunk_id: str, rows: Sequence[int]) -> SpanTables:
            return self._link.submit(self._taken(node, tenant, chunk_id, rows)).result()

        return DistantChunk(lent.meta, node, TraceIndex(lent.ids, lent.rows), take)

    async def _taken(self, node: str, tenant: str, chunk_id: str, rows: Sequence[int]) -> SpanTables:
        worker = self._members.node(node)
        try:
            if worker is None:
                raise WorkerLost(node)
            async with asyncio.timeout(TAKE_WITHIN_S):
                ask = self._link.ask(worker.address, lend_traces, tenant, chunk_id, rows)
                tables: SpanTables = pickle.loads(await self._watch.over(worker.address, ask))  # noqa: S301  # as above
        except (WorkerLost, WorkerFailed, TimeoutError) as error:
            if worker is not None:
                self._members.suspend(worker.address)
            msg = f"live spans of node {node} are out of reach"
            raise OutOfReach(msg) from error
        return tables
