"""What the server does for its blocks in the background, over and over: erase, expire, compact, sweep."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from storage.block_store import BlockStore
from storage.object_store import ObjectStore
from tempo_dask.maintenance import metrics
from tempo_dask.maintenance.compaction import compact_tenant
from tempo_dask.maintenance.erase import advance_all
from tempo_dask.maintenance.erased_files import delete_old_ids
from tempo_dask.maintenance.limits import CompactionLimits
from tempo_dask.maintenance.retention import expire
from tempo_dask.maintenance.tasks import RunTasks, one_by_one

log = logging.getLogger(__name__)

#: To look for leftovers takes a listing of the store, so it is done more rarely.
SWEEP_EVERY_NS = 600 * 10**9
#: Blocks that could not be compacted are tried again after so long.
AVOID_NS = 3600 * 10**9


class Maintenance:
    """Keeps the blocks of all tenants in shape; `step` is for one thread.

    `retention_of` says how long a tenant's blocks are kept (nanoseconds, 0: for ever), `is_compacted` whose are
    compacted at all. `run` says where compactions are done; where that is elsewhere, `on_cluster` is the store there.
    """

    def __init__(
        self,
        blocks: BlockStore,
        limits: CompactionLimits,
        *,
        retention_of: Callable[[str], int] | None = None,
        is_compacted: Callable[[str], bool] = lambda _tenant: True,
        run: RunTasks = one_by_one,
        on_cluster: ObjectStore | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._blocks = blocks
        self._limits = limits
        self._retention_of = retention_of or (lambda _tenant: limits.block_retention)
        self._is_compacted = is_compacted
        self._run = run
        self._on_cluster = on_cluster
        self._clock = clock
        self._swept_ns: dict[str, int] = {}
        self._avoid: dict[str, int] = {}

    def step(self) -> None:
        """Do what is due for every tenant; one that fails does not stop the others."""
        errors = []
        for tenant in self._blocks.tenants():
            try:
                self._keep(tenant)
            except Exception as error:
                log.exception("the blocks of tenant %s could not be looked after", tenant)
                errors.append(error)
        if errors:
            msg = "the blocks of some tenants could not be looked after"
            raise ExceptionGroup(msg, errors)

    def _keep(self, tenant: str) -> None:
        advance_all(self._blocks, tenant, clock=self._clock)
        with metrics.RETENTION_DURATION.time(), metrics.RETENTION_ERRORS.count_exceptions():
            expire(self._blocks, tenant, self._retention_of(tenant), self._clock())
            self._sweep(tenant)
        if self._is_compacted(tenant):
            self._compact(tenant)

    def _sweep(self, tenant: str) -> None:
        if self._clock() - self._swept_ns.get(tenant, 0) < SWEEP_EVERY_NS:
            return
        swept = self._blocks.sweep(tenant, removed_grace_ns=self._limits.compacted_block_retention)
        metrics.DELETED.inc(len(swept))
        delete_old_ids(self._blocks, tenant, self._clock())
        self._swept_ns[tenant] = self._clock()

    def _compact(self, tenant: str) -> None:
        now_ns = self._clock()
        self._avoid = {block_id: until for block_id, until in self._avoid.items() if until > now_ns}
        results = compact_tenant(
            self._blocks,
            tenant,
            self._limits,
            run=self._run,
            on_cluster=self._on_cluster,
            clock=self._clock,
            avoid=self._avoid,
        )
        for result in results:
            if result.error is not None:
                self._avoid.update(dict.fromkeys(result.inputs, now_ns + AVOID_NS))
