"""Jaeger's Thrift over HTTP answers as recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tempo_dask.errors import Unavailable
from tempo_dask.ingest.receivers.jaeger_http import jaeger_http
from tempo_dask.ingest.room import Overloaded
from tests.ingest.conftest import Taken
from tests.ingest.exchanges import answered_body, exchanges_of, sent_body
from tests.ingest.http_client import ask_async

THRIFT = {"Content-Type": "application/x-thrift"}
#: A batch of a process "s" with one span.
BATCH = bytes.fromhex(
    "0c00010b0001000000017300"  # process
    "0f00020c00000001"
    "0a000100000000000000010a000200000000000000020a000300000000000000030a00040000000000000000"
    "0b00050000000178080007000000000a000800000000000000010a0009000000000000000100"
    "00"
)


@pytest_asyncio.fixture
async def url(taken: Taken) -> AsyncIterator[str]:
    receiver = jaeger_http(taken.push)
    port = await receiver.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await receiver.stop_receiving()
    await receiver.stop()


async def test_recorded_exchanges(shared: Path, url: str) -> None:
    exchanges = exchanges_of(shared, "ingest-jaeger")
    assert len(exchanges) > 20
    for exchange in exchanges:
        answer = await ask_async(url + exchange["path"], exchange["method"], sent_body(exchange), exchange["headers"])
        said = (answer.status, answer.headers["Content-Type"], answer.body)
        expected = (exchange["status"], exchange["response_headers"].get("content-type"), answered_body(exchange))
        assert said == expected, exchange


async def test_a_batch_is_taken(url: str, taken: Taken) -> None:
    answer = await ask_async(f"{url}/api/traces", "POST", BATCH, THRIFT)
    assert (answer.status, answer.body, len(taken.bodies)) == (202, b"", 1)


async def test_errors_of_the_write_path_are_the_servers(url: str, taken: Taken) -> None:
    taken.error = Unavailable("no org id")
    answer = await ask_async(f"{url}/api/traces", "POST", BATCH, THRIFT)
    assert (answer.status, answer.text) == (500, "Cannot submit Jaeger batch: no org id\n")
    taken.error = Overloaded("full")
    answer = await ask_async(f"{url}/api/traces", "POST", BATCH, THRIFT)
    assert (answer.status, answer.headers["Retry-After"]) == (500, "1")


@pytest.mark.parametrize("size", range(len(BATCH)))
async def test_a_batch_that_ends_early_is_a_bad_request(url: str, taken: Taken, size: int) -> None:
    answer = await ask_async(f"{url}/api/traces", "POST", BATCH[:size], THRIFT)
    assert (answer.status, taken.bodies) == (400, [])
