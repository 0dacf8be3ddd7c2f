"""The server process: storage, write path, engine and network, wired together. Only the command line imports this."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from storage.block_store import BlockStore
from storage.data_dir import DataDir
from storage.errors import StorageError
from storage.object_store import ObjectStore
from storage.tempo_blocks.beside import BlocksBesideTempo
from storage.wal import Wal
from tempo_dask import logs, telemetry
from tempo_dask.api.authentication import Credentials
from tempo_dask.api.contracts import Api, Authenticate, TenantOf, let_pass, one_tenant
from tempo_dask.api.limits import RequestLimits
from tempo_dask.api.tenancy import one_tenant_of, tenants_of
from tempo_dask.cluster.choice import Fabric, open_fabric
from tempo_dask.config.file import Config
from tempo_dask.config.section import ConfigError
from tempo_dask.config.server import Authentication
from tempo_dask.engine.admission import MemoryBudget
from tempo_dask.engine.cross_tenant import CrossTenantSources
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.query import Bounds
from tempo_dask.errors import TempoDaskError
from tempo_dask.ingest.background import Background
from tempo_dask.ingest.distributor import Distributor, Rules
from tempo_dask.ingest.erasing import NodeErasure, VeiledLive
from tempo_dask.ingest.flush import FlushLimits
from tempo_dask.ingest.joining import Joining
from tempo_dask.ingest.limits import LimitsOf
from tempo_dask.ingest.live import LiveLimits
from tempo_dask.ingest.live_traces import LivePeriods
from tempo_dask.ingest.pipeline import Pipeline
from tempo_dask.ingest.sources import Sources
from tempo_dask.ingest.tenants import single_tenant, tenant_of
from tempo_dask.ingest.trimming import Trimmer
from tempo_dask.kernels import otlp
from tempo_dask.kernels.otlp_sizes import count_longer, trace_sizes
from tempo_dask.listeners import Listeners
from tempo_dask.maintenance.cycle import Maintenance
from tempo_dask.maintenance.tasks import one_by_one
from tempo_dask.memory import give_back_much_free_memory, keep_freed_memory
from tempo_dask.observability.flushes import ObservedBlocks
from tempo_dask.observability.observers import Observers
from tempo_dask.operations import Operations
from tempo_dask.overrides.tenants import TenantSettings
from tempo_dask.overrides.users import UserOverrides
from tempo_dask.physical.column_cache import PROCESS_CACHE, forget_block
from tempo_dask.physical.cube_cache import DISK_BYTES as CUBES_DISK_BYTES
from tempo_dask.physical.cube_cache import PROCESS_CUBES
from tempo_dask.request_limits import common_limits, nanoseconds, tenant_limits
from tempo_dask.status import Status
from tempo_dask.trace_store import open_trace_store

log = logging.getLogger(__name__)

#: A compaction that takes longer than this to end is left alone: what it wrote is not listed, and will be swept.
MAINTENANCE_STOP_S = 5.0
#: How often a process looks whether traces were hidden of which it may hold something.
ERASE_PERIOD_S = 5.0
#: How often free memory is looked at.
MEMORY_PERIOD_S = 30.0


class StartFailed(TempoDaskError):
    """The server cannot start; the message says why."""


def serve(config: Config, data_dir: Path, scheduler: str) -> None:
    """Run the server until SIGTERM or SIGINT. Raises StartFailed where it cannot start."""
    logs.set_up(config.server.log_level, config.server.log_format)
    keep_freed_memory()
    settings = TenantSettings(config.overrides)
    try:
        settings.load()
        with (
            DataDir(data_dir) as data,
            Wal(config.storage.trace.wal.path or data.wal_path, data.node) as wal,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            trace = config.storage.trace
            poll_s = trace.blocklist_poll.total_seconds()
            objects = open_trace_store(trace, data.blocks_path)
            blocks = BlocksBesideTempo(objects, poll_s=poll_s, forget=forget_block)
            PROCESS_CACHE.resize(config.querier.column_cache_bytes)
            PROCESS_CUBES.keep(folder=data_dir / "cubes", disk_bytes=CUBES_DISK_BYTES)
            parts = Parts(config, settings, _user_overrides(config, settings, data_dir), data_dir, objects)
            runner.run(_serve(parts, wal, blocks, data.node, scheduler))
    except (StorageError, ConfigError, OSError) as error:
        raise StartFailed(str(error)) from error
    log.info("stopped")


@dataclass(frozen=True, slots=True)
class Parts:
    """What is configured, for all and for tenants."""

    config: Config
    settings: TenantSettings
    user_overrides: UserOverrides | None
    data_dir: Path
    objects: ObjectStore


async def _serve(parts: Parts, wal: Wal, blocks: BlockStore, node: str, scheduler: str) -> None:
    config, settings = parts.config, parts.settings
    stopping = _stop_on_signal()
    limits_of = settings.ingest_limits
    observers = Observers(config, settings, node)
    pipeline = _pipeline(config, wal, blocks, node, limits_of, observers)
    fabric = await asyncio.to_thread(open_fabric, config.cluster, scheduler, node)
    sources = Sources(blocks, pipeline.live, node, fabric.elsewhere)
    operations = Operations(pipeline, blocks)
    api = Api(
        Engine(
            CrossTenantSources(sources),
            fabric.executor,
            Bounds(
                observers.admission,
                MemoryBudget(config.querier.scan_memory_bytes),
                config.querier.search.query_timeout.total_seconds(),
            ),
        ),
        operations,
        observer=observers.requests,
        tell=observers.tell,
        prefix=config.http_api_prefix,
        version=telemetry.VERSION,
        tenant_of=_tenants_of(config),
        authenticate=_authenticate(config.server.authentication),
        denied_urls=tuple(re.compile(pattern) for pattern in config.query_frontend.url_deny_list),
        timeout_s=config.query_frontend.api_timeout.total_seconds(),
        write_timeout_s=config.server.http_server_write_timeout.total_seconds(),
        limits_of=_limits_of(config, settings),
        overrides=parts.user_overrides,
        has_mcp=config.query_frontend.mcp_server.enabled,
        has_queries=config.role.queries,
        status=Status(config, settings, operations.not_ready, node, fabric.members, _set_by_users(parts)),
    )
    compaction = config.compactor.compaction
    keep_blocks = _maintenance(parts, blocks, fabric).step
    maintenance = Background("maintenance", keep_blocks, pause_s=compaction.compaction_cycle.total_seconds())
    erasure = _erasure(pipeline, wal, blocks, node)
    erasing = Background("erasing", erasure.step, pause_s=ERASE_PERIOD_S)
    memory = Background("memory", give_back_much_free_memory, pause_s=MEMORY_PERIOD_S)
    reloading = _reloading(parts)
    joining = Joining(pipeline.push, otlp.check, erasure.join)
    distributor = Distributor(joining.push, otlp.check, _rules(config, limits_of, fabric))
    listeners = Listeners(config, api, observers.watching(distributor.push))
    try:
        addresses = await listeners.start()
        if not await _replayed(pipeline, blocks, node, stopping):
            return
        pipeline.start()
        sources.open()
        if config.role.ingests or pipeline.live.usage():  # what a log holds is live, whatever the role is now
            fabric.join(VeiledLive(pipeline.live, blocks), parts.data_dir / "dask")
        operations.started()
        for thread in (*reloading, erasing, memory):
            thread.start()
        if config.role.maintains and not config.compactor.disabled:
            maintenance.start()
        observers.start(blocks, pipeline.live.usage, operations.not_ready, _ring_members(config), fabric)
        sys.stdout.write(f"listening {' '.join(f'{name}={address}' for name, address in addresses.items())}\n")
        sys.stdout.flush()
        await stopping.wait()
        log.info("stopping")
        operations.stopping()
        await asyncio.sleep(config.shutdown_delay.total_seconds())  # who asks whether it is ready stays away meanwhile
        await listeners.stop_receiving()
        await pipeline.close()
        if config.ingester.flush_all_on_shutdown:
            await asyncio.to_thread(pipeline.flush)
    finally:
        await listeners.stop()
        await asyncio.to_thread(observers.stop)
        for thread in (*reloading, erasing, maintenance, memory):
            await asyncio.to_thread(thread.stop, MAINTENANCE_STOP_S)
        await asyncio.to_thread(pipeline.stop)
        is_flushed = not any(usage.spans for usage in pipeline.live.usage())
        await asyncio.to_thread(fabric.close, has_all_in_blocks=is_flushed)


def _stop_on_signal() -> asyncio.Event:
    """Return what the first SIGTERM or SIGINT sets; the second ends the process as if it were killed."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


async def _replayed(pipeline: Pipeline, blocks: BlockStore, node: str, stopping: asyncio.Event) -> bool:
    """Replay the log, and return whether that came to its end before the server was told to stop."""
    replay = asyncio.ensure_future(asyncio.to_thread(_replay, pipeline, blocks, node))
    stop = asyncio.ensure_future(stopping.wait())
    await asyncio.wait([replay, stop], return_when=asyncio.FIRST_COMPLETED)
    if stopping.is_set():
        await asyncio.to_thread(pipeline.stop)
    stop.cancel()
    await replay
    return not stopping.is_set()


def _replay(pipeline: Pipeline, blocks: BlockStore, node: str) -> None:
    flushed = {tenant: blocks.block_list(tenant).flushed.get(node, 0) for tenant in blocks.tenants()}
    spans = pipeline.replay(flushed)
    log.info("replayed %d spans of %d tenants", spans, len(pipeline.live.usage()))


def _ring_members(config: Config) -> tuple[str, ...]:
    """Return as which members of Tempo's rings this process counts."""
    maintains = config.role.maintains and not config.compactor.disabled
    return (*(("compactor",) if maintains else ()), *(("distributor", "ingester") if config.role.ingests else ()))


def _tenants_of(config: Config) -> TenantOf:
    """Return what says whose spans a query is about."""
    if not config.multitenancy_enabled:
        return one_tenant
    return tenants_of if config.query_frontend.multi_tenant_queries_enabled else one_tenant_of


def _authenticate(allowed: Authentication) -> Authenticate:
    """Return what lets callers in, everybody where nobody is named."""
    if not allowed.bearer_tokens and not allowed.basic_users:
        return let_pass
    tokens = [token.get_secret_value() for token in allowed.bearer_tokens]
    passwords = {name: password.get_secret_value() for name, password in allowed.basic_users.items()}
    return Credentials(tokens, passwords).authenticate


def _user_overrides(config: Config, settings: TenantSettings, data_dir: Path) -> UserOverrides | None:
    """Return what users set, where they may."""
    asked = config.overrides.user_configurable_overrides
    if not asked.enabled:
        return None
    store = open_trace_store(asked.client, data_dir / "overrides")
    return UserOverrides(
        store,
        has_versions=asked.client.backend != "local",
        runtime_of=lambda tenant: settings.of(tenant).taken,
        refuses_conflicts=asked.api.check_for_conflicting_runtime_overrides,
    )


def _set_by_users(parts: Parts) -> Callable[[], Mapping[str, Mapping[str, Any]]]:
    """Return what says what users have set, as far as this process knows."""
    return dict if parts.user_overrides is None else parts.user_overrides.seen


def _reloading(parts: Parts) -> list[Background]:
    """Return the threads that look whether settings of tenants have changed."""
    asked = parts.config.overrides
    threads = [Background("overrides", parts.settings.reload, asked.per_tenant_override_period.total_seconds())]
    if parts.user_overrides is not None:
        poll_s = asked.user_configurable_overrides.poll_interval.total_seconds()
        threads.append(Background("user overrides", parts.user_overrides.poll, poll_s))
    return threads


def _limits_of(config: Config, settings: TenantSettings) -> Callable[[str], RequestLimits]:
    """Return what says what a tenant may ask for; several tenants at once what all may ask for."""
    common = common_limits(config.query_frontend)

    def limits_of(tenant: str) -> RequestLimits:
        own = settings.of(tenant)
        return tenant_limits(common, own.read, own.global_.max_bytes_per_trace)

    return limits_of


def _maintenance(parts: Parts, blocks: BlockStore, fabric: Fabric) -> Maintenance:
    """Return what keeps the blocks in shape; a tenant's own retention goes before that of all."""
    config, settings = parts.config, parts.settings
    limits = config.compactor.compaction.limits()
    is_shared = fabric.jobs is not one_by_one and not config.storage.trace.single_writer
    return Maintenance(
        blocks,
        limits,
        retention_of=lambda tenant: (
            nanoseconds(settings.of(tenant).compaction.block_retention) or limits.block_retention
        ),
        is_compacted=lambda tenant: not settings.of(tenant).compaction.compaction_disabled,
        run=fabric.jobs if is_shared else one_by_one,
        on_cluster=parts.objects if is_shared else None,
    )


def _erasure(pipeline: Pipeline, wal: Wal, blocks: BlockStore, node: str) -> NodeErasure:
    """Return what takes hidden traces out of all that this process holds beside blocks."""
    return NodeErasure(blocks, pipeline.live, wal, node=node, flush=pipeline.flush, forget=PROCESS_CUBES.forget_all)


def _rules(config: Config, limits_of: LimitsOf, fabric: Fabric) -> Rules:
    """Return who may send what."""
    return Rules(
        tenant_of=tenant_of if config.multitenancy_enabled else single_tenant,
        limits_of=limits_of,
        retry_after_s=config.distributor.retry_after_on_resource_exhausted.total_seconds(),
        nodes=fabric.ingesting_nodes,
    )


def _live_periods(config: Config) -> LivePeriods:
    ingester = config.ingester
    return LivePeriods(ingester.trace_idle_period.total_seconds(), ingester.trace_live_period.total_seconds())


def _pipeline(
    config: Config, wal: Wal, blocks: BlockStore, node: str, limits_of: LimitsOf, observers: Observers
) -> Pipeline:
    ingester = config.ingester
    return Pipeline(
        wal,
        ObservedBlocks(blocks),
        node=node,
        check=otlp.check,
        decode=otlp.decode,
        trim=Trimmer(limits_of, trace_sizes, count_longer, periods=_live_periods(config)).trim,
        observe=observers.see,
        live_limits=LiveLimits(live_bytes=2 * ingester.max_live_bytes),
        flush_limits=FlushLimits(
            max_block_duration_s=ingester.max_block_duration.total_seconds(),
            max_block_bytes=ingester.max_block_bytes,
            live_bytes=ingester.max_live_bytes,
        ),
        flush_period_s=ingester.flush_check_period.total_seconds(),
    )
