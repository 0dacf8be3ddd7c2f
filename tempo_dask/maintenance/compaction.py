"""Several blocks become one with the same spans, each once; readers see the inputs or the result, never both.

Of two compactions with a common input the commit log lets one win; the other deletes what it wrote and looks again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from storage.block.meta import BlockMeta
from storage.block_store import BlockStore, level_of
from storage.commit_log import CommitConflict
from storage.errors import StorageError
from storage.object_store import ObjectStore
from tempo_dask.maintenance import metrics
from tempo_dask.maintenance.limits import CompactionLimits
from tempo_dask.maintenance.select import select_groups
from tempo_dask.maintenance.tasks import RunTasks, one_by_one

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What came of one group of blocks: `block`, or `error`; neither where somebody was faster or time was over.

    The block has `fewer_traces` and `fewer_spans` than its inputs: those that stood in several of them.
    """

    tenant: str
    inputs: Sequence[str]
    block: BlockMeta | None = None
    error: str | None = None
    fewer_traces: int = 0
    fewer_spans: int = 0


@dataclass(frozen=True, slots=True)
class CompactGroup:
    """One group to compact, as a task that may travel to another process. It raises nothing."""

    objects: ObjectStore
    tenant: str
    inputs: Sequence[str]

    def __call__(self) -> Compacted:
        """Compact on a store of its own."""
        return compact_group(BlockStore(self.objects), self.tenant, self.inputs)


def compact_group(blocks: BlockStore, tenant: str, inputs: Sequence[str]) -> Compacted:
    """Make one block of a tenant's blocks, and tell what came of it."""
    started = time.monotonic()
    records = [record for name, record in blocks.block_list(tenant).blocks.items() if name in inputs]
    try:
        block = blocks.replace(tenant, inputs)
    except CommitConflict as conflict:
        log.info("compaction lost tenant=%s reason=%s", tenant, conflict)
        return Compacted(tenant, inputs)
    except (StorageError, OSError, ValueError) as error:
        log.warning("compaction failed tenant=%s inputs=%s: %s", tenant, ",".join(inputs), error)
        return Compacted(tenant, inputs, error=str(error))
    log.info(
        "compacted tenant=%s inputs=%d spans=%d bytes=%d seconds=%.2f",
        tenant,
        len(inputs),
        block.source.span_count,
        block.size_bytes,
        time.monotonic() - started,
    )
    traces, spans = (sum(record[name] for record in records) for name in ("trace_count", "span_count"))
    fewer = max(traces - block.source.trace_count, 0), max(spans - block.source.span_count, 0)
    return Compacted(tenant, inputs, block, None, *fewer)


def compact_tenant(
    blocks: BlockStore,
    tenant: str,
    limits: CompactionLimits,
    *,
    run: RunTasks = one_by_one,
    on_cluster: ObjectStore | None = None,
    clock: Callable[[], int] = time.time_ns,
    progress: Callable[[Compacted, int], None] | None = None,
    avoid: Collection[str] = (),
) -> list[Compacted]:
    """Compact a tenant's blocks until no more belong together or `max_time_per_tenant_s` is over; tell what came.

    `run` says where the work is done; where that is another process, `on_cluster` is the store that it opens.
    `progress` gets each result and how many groups are still planned. Blocks of `avoid`, those that cannot be read,
    and those of a group that failed, are left out. Raises StoreUnavailable, BrokenLog.
    """
    stop_ns = clock() + int(limits.max_time_per_tenant_s * 1e9)
    results: list[Compacted] = []
    left_out = set(avoid)
    while clock() < stop_ns:
        groups = _plan(blocks, tenant, limits, clock(), left_out)
        metrics.OUTSTANDING.labels(tenant).set(sum(len(group) for group in groups))
        if not groups:
            break
        for result in _run_until(blocks, tenant, groups, run, on_cluster, lambda: clock() >= stop_ns):
            results.append(result)
            _count(blocks, result)
            if result.error is not None:
                left_out.update(result.inputs)
            if progress is not None:
                progress(result, len(groups))
    return results


def _count(blocks: BlockStore, result: Compacted) -> None:
    """Count by the level of the inputs, as Tempo does."""
    if result.error is not None:
        metrics.ERRORS.inc()
    if result.block is None:
        return
    record = blocks.block_list(result.tenant).blocks.get(result.block.id, {})
    level = str(max(0, level_of(record) - 1))
    metrics.BLOCKS.labels(level).inc(len(result.inputs))
    metrics.TRACES_WRITTEN.labels(level).inc(result.block.source.trace_count)
    metrics.BYTES_WRITTEN.labels(level).inc(result.block.size_bytes)
    metrics.TRACES_COMBINED.labels(level).inc(result.fewer_traces)
    metrics.SPANS_COMBINED.labels("1").inc(result.fewer_spans)


def _plan(
    blocks: BlockStore, tenant: str, limits: CompactionLimits, now_ns: int, left_out: Collection[str]
) -> list[Sequence[str]]:
    listed = blocks.block_list(tenant)
    records = [record for block_id, record in listed.blocks.items() if block_id not in left_out]
    return select_groups(records, now_ns, limits)


def _run_until(
    blocks: BlockStore,
    tenant: str,
    groups: Sequence[Sequence[str]],
    run: RunTasks,
    objects: ObjectStore | None,
    is_over: Callable[[], bool],
) -> Iterator[Compacted]:
    """Run the groups' tasks; what was not begun when the time is over is left for another time."""

    def here(inputs: Sequence[str]) -> Callable[[], Compacted]:
        return lambda: Compacted(tenant, inputs) if is_over() else compact_group(blocks, tenant, inputs)

    return run([here(inputs) if objects is None else CompactGroup(objects, tenant, inputs) for inputs in groups])
