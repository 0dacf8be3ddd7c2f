"""Jaeger's gRPC takes batches, and refuses with the collector's statuses."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from tempo_dask.errors import Unavailable
from tempo_dask.ingest.receivers.jaeger_grpc import JaegerGrpcReceiver
from tempo_dask.ingest.receivers.pb.jaeger_pb2 import PostSpansRequest
from tests.ingest.conftest import Taken
from tests.ingest.test_translations import TRANSLATIONS, cases

POST_SPANS = "/jaeger.api_v2.CollectorService/PostSpans"
MALFORMED = "grpc: error unmarshalling request"


@pytest_asyncio.fixture
async def address(taken: Taken) -> AsyncIterator[str]:
    receiver = JaegerGrpcReceiver(taken.push, 4 << 20)
    yield f"127.0.0.1:{await receiver.start('127.0.0.1', 0)}"
    await receiver.stop_receiving()


async def post(address: str, message: bytes) -> bytes:
    async with grpc.aio.insecure_channel(address) as channel:
        answer: bytes = await channel.unary_unary(POST_SPANS)(message, timeout=300)
        return answer


def batch(trace_id: bytes, span_id: bytes) -> bytes:
    request = PostSpansRequest()
    request.batch.spans.add(trace_id=trace_id, span_id=span_id)
    return request.SerializeToString()


async def test_recorded_batches_are_taken(shared: Path, address: str, taken: Taken) -> None:
    sent = [base64.b64decode(c["sent"]["base64"]) for c in cases(shared) if c["protocol"] == "jaeger-grpc"]
    for message in sent:
        assert await post(address, message) == b""
    assert taken.bodies == [TRANSLATIONS["jaeger-grpc"](message) for message in sent]


async def test_an_empty_batch_is_a_success(address: str) -> None:
    assert await post(address, b"") == b""


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        (batch(bytes(range(16)), b"1234567"), "INTERNAL", f"{MALFORMED}: invalid length for SpanID"),
        (batch(bytes(range(9)), b"12345678"), "INTERNAL", f"{MALFORMED}: invalid length for TraceID"),
        (batch(bytes(16), b"12345678"), "INVALID_ARGUMENT", "trace ids must be 128 bit, received 0 bits"),
        (batch(bytes(range(16)), b""), "INVALID_ARGUMENT", "span ids must be 64 bit and not all zero, received 0 bits"),
    ],
)  # fmt: skip
async def test_bad_batches(address: str, taken: Taken, message: bytes, code: str, text: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await post(address, message)
    assert (error.value.code().name, error.value.details(), taken.bodies) == (code, text, [])


async def test_what_is_no_message(address: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await post(address, b"\xff\xff\xff")
    assert error.value.code() == grpc.StatusCode.INTERNAL


async def test_errors_of_the_write_path(address: str, taken: Taken) -> None:
    taken.error = Unavailable("no org id")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await post(address, batch(bytes(range(16)), b"12345678"))
    assert (error.value.code().name, error.value.details()) == ("UNAVAILABLE", "no org id")
