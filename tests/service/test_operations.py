"""Whether the service takes requests, in each state of its life."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from tempo_dask.operations import Operations


class FakePipeline:
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def close(self) -> None:
        self.told.append("close")

    def flush(self, tenant: str | None) -> None:
        self.told.append(f"flush {tenant}")


def operations_of(pipeline: FakePipeline) -> Operations:
    return Operations(cast("Any", pipeline), cast("Any", None))


def test_it_is_ready_between_its_start_and_its_end() -> None:
    operations = operations_of(FakePipeline())
    assert operations.not_ready() == "Some services are not Running:\nStarting: 1\n"
    operations.started()
    assert operations.not_ready() is None
    operations.stopping()
    assert operations.not_ready() == "Application is stopping"


def test_shut_down_it_takes_no_more_and_is_flushed_each_time() -> None:
    pipeline = FakePipeline()
    operations = operations_of(pipeline)
    operations.started()
    for _ in range(2):
        asyncio.run(operations.shutdown())
    assert operations.not_ready() == "Some services are not Running:\nTerminated: 1\n"
    assert pipeline.told == ["close", "flush None", "flush None"]
