"""OTLP over gRPC: bytes go through as they came, and errors have the collector's statuses."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from tempo_dask.errors import TooManyRequests, Unavailable
from tempo_dask.ingest.rates import RateLimited
from tempo_dask.ingest.room import Overloaded
from tests.ingest.conftest import Taken
from tests.ingest.numbered import body

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
MIB = 1 << 20
NO_TRACE_ID = b"\x0a\x0e\x12\x0c\x12\x0a\x12\x08" + b"\x01" * 8
LARGE = [("grpc.max_send_message_length", -1)]


async def export(address: str, message: bytes, compression: grpc.Compression | None = None) -> bytes:
    async with grpc.aio.insecure_channel(address, options=LARGE) as channel:
        answer: bytes = await channel.unary_unary(EXPORT)(message, compression=compression, timeout=300)
        return answer


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_spans_are_taken(otlp_grpc: str, taken: Taken, compression: grpc.Compression | None) -> None:
    assert await export(otlp_grpc, body(range(100)), compression) == b"\n\x00"
    assert taken.bodies == [body(range(100))]


async def test_an_empty_request_is_a_success(otlp_grpc: str) -> None:
    assert await export(otlp_grpc, b"") == b"\n\x00"


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        (b"\xff\xff\xff", "INTERNAL", "grpc: error unmarshalling request: unexpected EOF"),
        (body([1])[:-1], "INTERNAL", "grpc: error unmarshalling request: unexpected EOF"),
        (NO_TRACE_ID, "INVALID_ARGUMENT", "trace ids must be 128 bit, received 0 bits"),
    ],
)
async def test_bad_requests(otlp_grpc: str, message: bytes, code: str, text: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await export(otlp_grpc, message)
    assert (error.value.code().name, error.value.details()) == (code, text)
    assert await export(otlp_grpc, body([1])) == b"\n\x00"


@pytest.mark.parametrize(
    ("error", "code"),
    [(Unavailable("full"), "UNAVAILABLE"), (TooManyRequests("slow down"), "RESOURCE_EXHAUSTED")],
)
async def test_errors_of_the_write_path(otlp_grpc: str, taken: Taken, error: Exception, code: str) -> None:
    taken.error = error
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await export(otlp_grpc, body([1]))
    assert (raised.value.code().name, raised.value.details()) == (code, str(error))


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
async def test_messages_over_the_limit_are_refused(
    otlp_grpc: str, taken: Taken, compression: grpc.Compression | None
) -> None:
    """Also one that is small until it is unpacked."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await export(otlp_grpc, bytes(100 * MIB), compression)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert taken.bodies == []
    assert await export(otlp_grpc, body([1])) == b"\n\x00"


@pytest.mark.parametrize("method", ["/grpc.health.v1.Health/Check", EXPORT.replace("trace", "logs"), EXPORT + "2"])
async def test_there_is_nothing_else(otlp_grpc: str, method: str) -> None:
    async with grpc.aio.insecure_channel(otlp_grpc) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary(method)(b"")
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("error", "name", "code", "seconds"),
    [
        (RateLimited("slow down", 3, 7), "RESOURCE_EXHAUSTED", 8, 7),
        (RateLimited("slow down", 3, 0.5), "RESOURCE_EXHAUSTED", 8, 0.5),
        (Overloaded("slow down"), "UNAVAILABLE", 14, 1),
    ],
)
async def test_who_sends_too_much_is_told_when_to_come_back(
    otlp_grpc: str, taken: Taken, error: Exception, name: str, code: int, seconds: float
) -> None:
    taken.error = error
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await export(otlp_grpc, body([1]))
    assert (raised.value.code().name, raised.value.details()) == (name, "slow down")
    details = dict(raised.value.trailing_metadata())["grpc-status-details-bin"]
    status = Status.FromString(details)
    retry = RetryInfo()
    assert status.details[0].Unpack(retry)
    assert (status.code, retry.retry_delay.ToTimedelta().total_seconds()) == (code, seconds)
