"""How a server takes part in a cluster: its queries run there, and other nodes see its live spans."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from distributed.security import Security

from tempo_dask.cluster.adaptive import OwnWorkers, Scale
from tempo_dask.cluster.choice import LOCAL
from tempo_dask.cluster.joining import Membership
from tempo_dask.cluster.lending import Lender, Live
from tempo_dask.cluster.opening import Cluster, open_cluster
from tempo_dask.config.cluster import ClusterSection, ClusterTls
from tempo_dask.engine.executors import Executor
from tempo_dask.ingest.background import Background
from tempo_dask.ingest.sources import Elsewhere
from tempo_dask.maintenance.tasks import RunTasks
from tempo_dask.status import Member
from tempo_dask.worker import is_loopback

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
SCALE_EVERY_S = 0.5
STOP_S = 5.0


@dataclass(slots=True)
class Clustered:
    """Runs queries on a cluster, that of a scheduler or of workers of its own."""

    cluster: Cluster
    threads: int
    node: str
    section: ClusterSection
    own_workers: OwnWorkers | None = None
    _scaling: Background | None = field(default=None, init=False)
    _membership: Membership | None = field(default=None, init=False)

    @property
    def executor(self) -> Executor:
        """What runs queries."""
        return self.cluster.executor

    @property
    def elsewhere(self) -> Elsewhere | None:
        """What asks other nodes for their live spans."""
        return self.cluster.elsewhere(self.node)

    @property
    def jobs(self) -> RunTasks:
        """What does compactions: the workers."""
        return self.cluster.jobs.run

    def join(self, live: Live, folder: Path) -> None:
        """Let other nodes see the live spans of this one, where they can reach it."""
        if self.own_workers is not None:
            return
        host = node_host(self.section, self.cluster.members.scheduler)
        if host is None:
            log.warning(
                "other nodes do not see the live spans of this one: without cluster.tls it is no worker of %s",
                self.cluster.members.scheduler,
            )
            return
        scheduler, tls = self.cluster.members.scheduler, security_of(self.section.tls)
        self._membership = Membership(self.cluster.link, scheduler, tls, self.node, host, folder)
        self._membership.join(Lender(live), self.threads)

    def members(self) -> list[Member]:
        """Return the workers that there are, for the status pages."""
        known = [
            (worker.node or worker.address, "ACTIVE", worker.address, "live spans" if worker.node else "query")
            for worker in self.cluster.members.workers
            if worker.node != self.node
        ]
        return [*known, *((node, "LOST", why, "live spans") for node, why in self.cluster.nodes.lost().items())]

    def ingesting_nodes(self) -> int:
        """Return how many nodes hold live spans, and this one."""
        return len({self.node, *(worker.node for worker in self.cluster.members.workers if worker.node)})

    @property
    def waiting_tasks(self) -> int:
        """How many tasks of queries are not done."""
        return self.cluster.executor.waiting_tasks

    def close(self, *, has_all_in_blocks: bool) -> None:
        """Leave the cluster, and say whether live spans are left behind."""
        if self._membership is not None:
            self._membership.leave(has_all_in_blocks=has_all_in_blocks)
        if self._scaling is not None:
            self._scaling.stop(STOP_S)
        self.cluster.close()
        if self.own_workers is not None:
            self.own_workers.close()

    def scale(self, own: OwnWorkers) -> None:
        """Start and stop workers of our own as the load wants it, from now on."""
        executor = self.cluster.executor
        self._scaling = Background("workers", lambda: own.step(executor.waiting_tasks), pause_s=SCALE_EVERY_S)
        self._scaling.start()


def open_clustered(section: ClusterSection, address: str, threads: int, node: str) -> Clustered:
    """Connect to a scheduler, or start workers of our own. Raises BadRequest, Unavailable."""
    logging.getLogger("distributed").setLevel(logging.ERROR)  # what matters of it, we say ourselves
    if address != LOCAL:
        forget_after_s = section.forget_lost_nodes_after.total_seconds()
        cluster = open_cluster(address, threads, security_of(section.tls), forget_after_s=forget_after_s)
        return Clustered(cluster, threads, node, section)
    adaptive = section.adaptive
    own = OwnWorkers(Scale(adaptive.minimum, adaptive.maximum, adaptive.threads_per_worker))
    fabric = Clustered(open_cluster(own.address, threads), threads, node, section, own)
    fabric.scale(own)
    return fabric


def security_of(tls: ClusterTls) -> Security:
    """Return how Dask's processes talk to each other."""
    if not tls.is_on:
        return Security()  # type: ignore[no-untyped-call]  # Dask is partly typed
    ca, certificate, key = str(tls.ca_file), str(tls.cert_file), str(tls.key_file)
    of_role = {"cert": certificate, "key": key}
    roles = {f"tls_{role}_{name}": path for role in ("client", "worker") for name, path in of_role.items()}
    return Security(require_encryption=True, tls_ca_file=ca, **roles)  # type: ignore[no-untyped-call]  # as above


def node_host(section: ClusterSection, scheduler: str) -> str | None:
    """Return the address on which a node listens as a worker: loopback unless there is TLS; None: nobody reaches it.

    With TLS and no `node_address`, Dask takes the one by which the scheduler is reached ("").
    """
    if section.tls.is_on:
        return section.node_address
    return LOOPBACK if is_loopback(urlsplit(scheduler).hostname or "") else None
