"""A node joins the cluster as a worker, so that others can ask it for its live spans, and joins again when it must."""

from __future__ import annotations

import asyncio
import logging
import uuid
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from distributed import Worker
from distributed.security import Security

from tempo_dask.cluster.lending import DESK, Lender
from tempo_dask.cluster.link import Link
from tempo_dask.cluster.members import NODE_PREFIX
from tempo_dask.cluster.nodes import enter

log = logging.getLogger(__name__)

JOIN_AGAIN_S = 0.5
#: A scheduler that does not answer for so long is tried anew.
GIVE_UP_S = 5.0
LEAVE_WITHIN_S = 5.0
#: How often chunks are given up that nobody was told of for a while.
DROP_EVERY_S = 5.0


class Membership:
    """A process as a worker of a scheduler, which lends its live spans."""

    def __init__(self, link: Link, scheduler: str, security: Security, node: str, host: str, folder: Path) -> None:
        self._link = link
        self._scheduler = scheduler
        self._security = security
        self._node = node
        self._host = host
        self._folder = folder
        self._leaving = asyncio.Event()  # of the link's loop
        self._joined: Future[None] | None = None

    def join(self, lender: Lender, threads: int) -> None:
        """Lend live spans from now on, as a worker of so many threads."""
        DESK.lender = lender
        self._joined = self._link.submit(self._keep_joined(lender, threads))

    def leave(self, *, has_all_in_blocks: bool) -> None:
        """Leave the cluster, and say whether live spans go with it; what cannot be said in time is left unsaid."""
        if self._joined is None:
            return
        try:
            if has_all_in_blocks:
                said = self._link.submit(enter(self._link, self._scheduler, self._node, has_left=True))
                said.result(LEAVE_WITHIN_S)
            self._link.submit(self._leave()).result()
            self._joined.result(LEAVE_WITHIN_S)
        except (OSError, TimeoutError) as error:
            log.warning("this node leaves the cluster without a word: %s", error or "no answer in time")
            self._joined.cancel()
        DESK.lender = None

    async def _leave(self) -> None:
        self._leaving.set()

    async def _keep_joined(self, lender: Lender, threads: int) -> None:
        while not self._leaving.is_set():
            try:
                await self._join_once(lender, threads)
            except (OSError, TimeoutError, RuntimeError, ValueError) as error:
                log.debug("node %s could not join %s: %s", self._node, self._scheduler, error)
            lender.drop_old()
            await asyncio.sleep(0 if self._leaving.is_set() else JOIN_AGAIN_S)

    async def _join_once(self, lender: Lender, threads: int) -> None:
        """Be a worker until this node leaves, or until the scheduler is gone."""
        async with self._worker(threads) as worker:
            await enter(self._link, self._scheduler, self._node)
            log.info("node %s is worker %s of %s", self._node, worker.address, self._scheduler)
            ends = [asyncio.ensure_future(worker.finished()), asyncio.ensure_future(self._leaving.wait())]
            while not (await asyncio.wait(ends, timeout=DROP_EVERY_S, return_when=asyncio.FIRST_COMPLETED))[0]:
                lender.drop_old()
            for end in ends:
                end.cancel()
            if not self._leaving.is_set():
                log.warning("node %s is no worker of %s any more, and joins again", self._node, self._scheduler)

    def _worker(self, threads: int) -> Any:
        return Worker(
            self._scheduler,
            name=f"{NODE_PREFIX}{self._node}/{uuid.uuid4().hex[:8]}",  # the scheduler may not have seen the last one go
            nthreads=threads,
            host=self._host,
            security=self._security,
            dashboard_address="127.0.0.1:0",
            dashboard=False,
            memory_limit=0,
            local_directory=str(self._folder),
            death_timeout=GIVE_UP_S,
        )
