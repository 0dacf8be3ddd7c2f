"""Which workers there are, as the scheduler has it and as far as they answer."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from typing import Any

from tempo_dask.cluster.link import Link
from tempo_dask.cluster.watch import Watch

log = logging.getLogger(__name__)

#: How often the scheduler is asked, and how long it may take to answer.
POLL_EVERY_S = 0.5
ANSWER_WITHIN_S = 2.0
#: Workers that are named so hold the live spans of the node whose id follows, up to a slash.
NODE_PREFIX = "tempo-dask-node-"


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that works for queries; `node` is the id of the node whose live spans it holds, if any."""

    address: str
    threads: int
    node: str = ""


class Members:
    """The workers of a scheduler. Its properties may be read by any thread, the coroutines are for the link's loop."""

    def __init__(self, link: Link, watch: Watch, scheduler: str) -> None:
        self.scheduler = scheduler
        self._link = link
        self._watch = watch
        self._listed: tuple[Worker, ...] = ()
        self._suspended: frozenset[str] = frozenset()
        self._changing = threading.Lock()
        self.is_connected = False

    @property
    def workers(self) -> tuple[Worker, ...]:
        """All that answer; none while the scheduler is away."""
        return tuple(worker for worker in self._listed if worker.address not in self._suspended)

    @property
    def scanners(self) -> tuple[Worker, ...]:
        """Those that scan blocks for anybody: nodes keep their threads for what comes in."""
        return tuple(worker for worker in self.workers if not worker.node)

    def node(self, node: str) -> Worker | None:
        """Return the worker that holds the live spans of a node, if it answers."""
        return next((worker for worker in self.workers if worker.node == node), None)

    def suspend(self, address: str) -> None:
        """Leave a worker out until it answers again."""
        with self._changing:
            self._suspended |= {address}

    async def keep(self) -> None:
        """Ask the scheduler over and over."""
        while True:
            await self.refresh()
            await asyncio.sleep(POLL_EVERY_S)

    async def refresh(self) -> None:
        """Ask the scheduler once, and those that were left out whether they are back."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                listed = _workers(await self._link.call(self.scheduler, "identity"))
        except (OSError, TimeoutError) as error:
            if self.is_connected:
                log.warning("the scheduler %s is away, queries run here: %s", self.scheduler, error or "no answer")
            self.is_connected, self._listed = False, ()
            return
        if not self.is_connected:
            log.info("the scheduler %s has %d workers", self.scheduler, len(listed))
        back = {worker.address for worker in listed if worker.address in self._suspended}
        answers = await asyncio.gather(*(self._watch.answers(address) for address in back))
        returned = {address for address, answered in zip(back, answers, strict=True) if answered}
        gone = self._suspended - {worker.address for worker in listed}
        with self._changing:
            self._suspended -= returned | gone
        self.is_connected, self._listed = True, listed


def _workers(identity: dict[str, Any]) -> tuple[Worker, ...]:
    """Return the running workers in what a scheduler says of itself."""
    return tuple(
        Worker(address, int(worker["nthreads"]), _node(str(worker["name"])))
        for address, worker in sorted(identity["workers"].items())
        if worker["status"] == "running" and worker["nthreads"] > 0
    )


def _node(name: str) -> str:
    return name.removeprefix(NODE_PREFIX).partition("/")[0] if name.startswith(NODE_PREFIX) else ""
