"""What an operator may ask of the running process: is it ready, flush, shut down."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

from storage.errors import StorageError
from tempo_dask import telemetry
from tempo_dask.errors import NotFound, Unavailable
from tempo_dask.ingest.pipeline import Pipeline

_STARTING = "Some services are not Running:\nStarting: 1\n"
_TERMINATED = "Some services are not Running:\nTerminated: 1\n"
_STOPPING = "Application is stopping"


class Tenants(Protocol):
    """Knows who has blocks."""

    def tenants(self) -> Collection[str]:
        """Return the tenants that have blocks."""
        ...


class Operations:
    """The callables behind `/ready`, `/metrics`, `/flush` and `/shutdown`."""

    def __init__(self, pipeline: Pipeline, blocks: Tenants) -> None:
        self._pipeline = pipeline
        self._blocks = blocks
        self._not_ready: str | None = _STARTING

    def started(self) -> None:
        """Be ready from now on."""
        self._not_ready = None

    def stopping(self) -> None:
        """Be ready no more."""
        self._not_ready = _STOPPING

    def not_ready(self) -> str | None:
        """Return why the service cannot take requests now, None where it can."""
        return self._not_ready

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that an `Accept` header asks for, and its content type."""
        return telemetry.exposition(accept)

    async def flush(self, tenant: str | None) -> None:
        """Make blocks of all that was acknowledged, of one tenant or of all. Raises NotFound for an unknown tenant."""
        live = {usage.tenant for usage in self._pipeline.live.usage()}
        if tenant is not None and tenant not in live and tenant not in await asyncio.to_thread(self._blocks.tenants):
            msg = f"there is no tenant {tenant}"
            raise NotFound(msg)
        await self._flush(tenant)

    async def shutdown(self) -> None:
        """Take no more spans, and make blocks of all there are."""
        if self._not_ready is None:
            self._not_ready = _TERMINATED
            await self._pipeline.close()
        await self._flush(None)

    async def _flush(self, tenant: str | None) -> None:
        try:
            await asyncio.to_thread(self._pipeline.flush, tenant)
        except StorageError as error:
            msg = f"live spans could not be made a block, which is tried again: {error}"
            raise Unavailable(msg) from error
