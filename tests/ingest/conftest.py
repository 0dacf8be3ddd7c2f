"""Receivers in front of the real check, with what they took kept in a list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from tempo_dask.ingest.commit_group import _outcome
from tempo_dask.ingest.receivers.otlp_grpc import OtlpGrpcReceiver
from tempo_dask.ingest.receivers.otlp_http import otlp_http as make_otlp_http
from tempo_dask.kernels import otlp


class Taken:
    """Takes what the write path would take, and refuses what it would refuse."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.tenants: list[str] = []
        self.error: Exception | None = None

    async def commit(self, tenant: str, body: bytes) -> int:
        """Take a request of a tenant, behind a distributor."""
        self.tenants.append(tenant)
        return await self.push((), body)

    async def push(self, org_ids: Sequence[str], body: bytes) -> int:
        if self.error is not None:
            raise self.error
        outcome = _outcome(otlp.check([body])[0])
        if isinstance(outcome, Exception):
            raise outcome
        self.bodies.append(body)
        return outcome


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest_asyncio.fixture
async def otlp_http(taken: Taken) -> AsyncIterator[str]:
    """The URL of an OTLP/HTTP receiver."""
    receiver = make_otlp_http(taken.push)
    port = await receiver.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await receiver.stop_receiving()
    await receiver.stop()


@pytest_asyncio.fixture
async def otlp_grpc(taken: Taken) -> AsyncIterator[str]:
    """The address of an OTLP/gRPC receiver."""
    receiver = OtlpGrpcReceiver(taken.push)
    port = await receiver.start("127.0.0.1", 0)
    yield f"127.0.0.1:{port}"
    await receiver.stop_receiving()
