"""What runs the queries of a server, and how the server takes part: this process alone, or a cluster."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from tempo_dask.cluster.lending import Live
from tempo_dask.config.cluster import ClusterSection
from tempo_dask.engine.executors import Executor
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.ingest.sources import Elsewhere
from tempo_dask.maintenance.tasks import RunTasks, one_by_one
from tempo_dask.status import Member

LOCAL = "local"


class Fabric(Protocol):
    """Where the work of this server is done, and who else is there."""

    @property
    def executor(self) -> Executor:
        """What runs queries."""
        ...

    @property
    def elsewhere(self) -> Elsewhere | None:
        """What asks other nodes for their live spans, where there may be others."""
        ...

    @property
    def jobs(self) -> RunTasks:
        """What does compactions."""
        ...

    def join(self, live: Live, folder: Path) -> None:
        """Let other nodes see the live spans of this one, where they can reach it."""
        ...

    def members(self) -> list[Member]:
        """Return the workers that there are, for the status pages."""
        ...

    def ingesting_nodes(self) -> int:
        """Return how many nodes take spans as far as is known, this one among them."""
        ...

    @property
    def waiting_tasks(self) -> int:
        """How much of all queries' work waits."""
        ...

    def close(self, *, has_all_in_blocks: bool) -> None:
        """End it, and say whether live spans are left behind."""
        ...


@dataclass(frozen=True, slots=True)
class Alone:
    """A process that does everything itself."""

    executor: LocalExecutor
    elsewhere: Elsewhere | None = None
    jobs: RunTasks = one_by_one

    def join(self, live: Live, folder: Path) -> None:
        """Nobody else asks for live spans."""

    def members(self) -> list[Member]:
        """There are none."""
        return []

    def ingesting_nodes(self) -> int:
        """Return one."""
        return 1

    @property
    def waiting_tasks(self) -> int:
        """How many shares of queries' work wait for a thread."""
        return self.executor.waiting_tasks

    def close(self, *, has_all_in_blocks: bool) -> None:  # noqa: ARG002  # there is nobody to tell
        """Stop the threads."""
        self.executor.close()


def open_fabric(section: ClusterSection, scheduler: str, node: str) -> Fabric:
    """Connect to the scheduler of the command line or else of the configuration. Raises BadRequest, Unavailable."""
    threads = len(os.sched_getaffinity(0))
    address = section.address if scheduler == LOCAL and section.address else scheduler
    if address == LOCAL and not section.adaptive.maximum:
        return Alone(LocalExecutor(threads))
    fabric = importlib.import_module("tempo_dask.cluster.fabric")  # a second of imports that one process does without
    return cast("Fabric", fabric.open_clustered(section, address, threads, node))
