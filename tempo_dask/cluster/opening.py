"""The way into a cluster: connect, see who is there, and run queries on them."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from distributed.security import Security

from tempo_dask.cluster.elsewhere import LiveElsewhere
from tempo_dask.cluster.executor import ClusterExecutor
from tempo_dask.cluster.jobs import Jobs
from tempo_dask.cluster.link import Link
from tempo_dask.cluster.members import Members
from tempo_dask.cluster.nodes import FORGET_AFTER_S, Nodes
from tempo_dask.cluster.watch import Watch
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.errors import BadRequest, Unavailable

SCHEMES = ("tcp", "tls")
CONNECT_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as one process sees it; `executor` runs queries on it."""

    link: Link
    watch: Watch
    members: Members
    nodes: Nodes
    executor: ClusterExecutor
    _kept: tuple[Future[None], ...] = field(default=(), repr=False)

    @property
    def jobs(self) -> Jobs:
        """What does jobs of maintenance on the workers."""
        return Jobs(self.link, self.watch, self.members)

    def elsewhere(self, own_node: str) -> LiveElsewhere:
        """Return what asks the nodes but one for their live spans."""
        return LiveElsewhere(self.link, self.watch, self.members, self.nodes, own_node)

    def close(self) -> None:
        """Leave the cluster; it goes on."""
        self.executor.close()
        self.link.close()


def check_address(address: str) -> str:
    """Return a scheduler's address. Raises BadRequest."""
    if urlsplit(address).scheme in SCHEMES and urlsplit(address).port is not None:
        return address
    msg = f"expected a scheduler of local or tcp://HOST:PORT, found {address!r}"
    raise BadRequest(msg)


def open_cluster(
    address: str, threads: int, security: Security | None = None, *, forget_after_s: float = FORGET_AFTER_S
) -> Cluster:
    """Connect to a scheduler; `threads` of this process do what workers cannot. Raises BadRequest, Unavailable."""
    link = Link(security or Security())  # type: ignore[no-untyped-call]  # Dask is partly typed
    watch = Watch(lambda worker: link.call(worker, "ping"))
    members = Members(link, watch, check_address(address))
    nodes = Nodes(link, members, forget_after_s=forget_after_s)
    deadline = time.monotonic() + CONNECT_WITHIN_S
    while not members.is_connected and time.monotonic() < deadline:
        link.submit(members.refresh()).result()
    if not members.is_connected:
        link.close()
        msg = f"no Dask scheduler answers at {address}"
        raise Unavailable(msg)
    link.submit(nodes.refresh()).result()
    kept: tuple[Any, ...] = (link.submit(members.keep()), link.submit(nodes.keep()))
    executor = ClusterExecutor(link, watch, members, LocalExecutor(threads))
    return Cluster(link, watch, members, nodes, executor, kept)
