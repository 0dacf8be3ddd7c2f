"""`tempopb.StreamingQuerier` over a fake engine, on its own port and on HTTP's."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from tornado.testing import bind_unused_port

from tempo_dask.api import query_log
from tempo_dask.api.authentication import Credentials
from tempo_dask.api.grpc.health import Health
from tempo_dask.api.grpc.querier import SERVICE, StreamingQuerier
from tempo_dask.api.http.app import make_app, make_server
from tempo_dask.api.http.handler import ClientLeft
from tempo_dask.api.pb import tempo_pb2 as pb
from tempo_dask.api.tenancy import tenants_of
from tempo_dask.engine.requests import SearchRequest
from tempo_dask.engine.results import (
    FoundTrace,
    QueryMetrics,
    RangeResult,
    SearchResult,
    Series,
    TagValue,
    TagValuesResult,
)
from tempo_dask.errors import BadRequest, DeadlineExceeded, NotFound, QueryFailed, TooManyRequests
from tempo_dask.grpc_server import GrpcServer
from tempo_dask.logs import Logfmt
from tests.api.conftest import Served

MIB = 1 << 20
PORTS = ("grpc", "http")


@dataclass
class Streaming:
    """What serves, and a channel to its gRPC port and one to its HTTP port."""

    served: Served
    channels: dict[str, grpc.aio.Channel]

    def call(self, method: str, request: Any, response: Any, *, port: str = "grpc", tenant: str = "") -> Any:
        """Start a call of a method."""
        metadata = (("x-scope-orgid", tenant),) if tenant else ()
        stream = self.channels[port].unary_stream(
            f"/{SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        return stream(request, metadata=metadata, timeout=300)

    async def search(self, **options: Any) -> list[pb.SearchResponse]:
        call = self.call("Search", pb.SearchRequest(Query="{ }"), pb.SearchResponse, **options)
        return [message async for message in call]


@pytest.fixture
async def streaming(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Streaming]:
    """Serve both ports; an indirect parameter is options of the Api."""
    served = Served(options=getattr(request, "param", {}))
    querier = StreamingQuerier(served.api, write_timeout_s=1.0)
    health = Health(lambda: True, (SERVICE,))
    grpc_server = GrpcServer(
        [querier.handler(), health.handler()],
        max_received_bytes=16 * MIB,
        max_sent_bytes=16 * MIB,
        local_path=tmp_path / "grpc",
    )
    ports = {"grpc": await grpc_server.start("127.0.0.1", 0)}
    http_server = make_server(make_app(served.api), http2_path=tmp_path / "grpc")
    socket, ports["http"] = bind_unused_port()
    http_server.add_socket(socket)
    served.port = ports["http"]
    channels = {name: grpc.aio.insecure_channel(f"127.0.0.1:{port}") for name, port in ports.items()}
    yield Streaming(served, channels)
    for channel in channels.values():
        await channel.close()
    http_server.stop()
    await grpc_server.stop(0)
    await http_server.close_all_connections()


def traces(count: int, name: str = "GET /") -> SearchResult:
    found = (FoundTrace(number.to_bytes(16), number, 0, "shop", name) for number in range(1, count + 1))
    return SearchResult(tuple(found), QueryMetrics(total_jobs=3, completed_jobs=2))


@pytest.mark.parametrize("port", ["grpc", "http"])
async def test_a_search_is_decoded_asked_and_encoded(streaming: Streaming, port: str) -> None:
    engine = streaming.served.engine
    engine.parts = [traces(2), traces(0)]
    [message] = await streaming.search(port=port)
    assert [trace.traceID for trace in message.traces] == ["1", "2"]
    assert (message.metrics.totalJobs, message.metrics.completedJobs) == (3, 2)
    [asked] = engine.asked
    assert isinstance(asked, SearchRequest)
    assert (asked.tenant, asked.query, asked.limit, asked.spans_per_set) == ("single-tenant", "{ }", 20, 3)


@pytest.mark.parametrize("port", ["grpc", "http"])
async def test_nothing_found_is_one_message(streaming: Streaming, port: str) -> None:
    [message] = await streaming.search(port=port)
    assert not message.traces
    assert message.HasField("metrics")


async def test_http_stays_http_on_the_port_of_both(streaming: Streaming) -> None:
    for _ in range(2):
        answer = await streaming.served.fetch("/api/echo")
        assert (answer.code, answer.body) == (200, b"echo\n")
    await streaming.search(port="http")
    assert (await streaming.served.fetch("/api/echo", "POST", body="PRI")).code == 200


async def test_the_preface_may_come_in_pieces_and_others_be_cut_off(streaming: Streaming) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    reader, writer = await asyncio.open_connection("127.0.0.1", streaming.served.port)
    for byte in preface:
        writer.write(bytes([byte]))
        await writer.drain()
    frame = await asyncio.wait_for(reader.readexactly(9), 60)
    assert frame[3] == 4  # the server's settings
    writer.close()
    for start in (b"", b"PRI", b"PRI * HTTP/1.1\r\n\r\n", b"P"):
        reader, writer = await asyncio.open_connection("127.0.0.1", streaming.served.port)
        writer.write(start)
        writer.close()
    assert (await streaming.served.fetch("/api/echo")).code == 200


async def test_large_answers_are_several_messages_that_clients_take(streaming: Streaming) -> None:
    """Clients take 4 MiB unless told otherwise, as this channel does."""
    streaming.served.engine.found = traces(3000, name="x" * 4000)
    messages = await streaming.search()
    assert len(messages) > 2
    assert max(message.ByteSize() for message in messages) <= 4 * MIB
    assert len({trace.traceID for message in messages for trace in message.traces}) == 3000


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (BadRequest("no"), grpc.StatusCode.INVALID_ARGUMENT, "no"),
        (ClientLeft("context canceled"), grpc.StatusCode.CANCELLED, "context canceled"),
        (TooManyRequests("job queue full"), grpc.StatusCode.RESOURCE_EXHAUSTED, "job queue full"),
        (DeadlineExceeded(), grpc.StatusCode.INTERNAL, "context deadline exceeded\n"),
        (QueryFailed("no"), grpc.StatusCode.INTERNAL, "no\n"),
        (NotFound("no"), grpc.StatusCode.NOT_FOUND, "no"),
        (OverflowError("ours"), grpc.StatusCode.INTERNAL, "internal server error\n"),
    ],
)
async def test_errors_have_codes(streaming: Streaming, error: Exception, code: grpc.StatusCode, text: str) -> None:
    streaming.served.engine.error = error
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await streaming.search()
    assert (raised.value.code(), raised.value.details()) == (code, text)


@pytest.mark.parametrize("streaming", [{"tenant_of": tenants_of}], indirect=True)
@pytest.mark.parametrize(
    ("tenant", "code", "text"),
    [
        ("", grpc.StatusCode.UNKNOWN, "no org id"),
        ("t1|", grpc.StatusCode.INVALID_ARGUMENT, "no org id"),
        ("a/b", grpc.StatusCode.INVALID_ARGUMENT, "tenant ID 'a/b' contains unsupported character '/'"),
    ],
)
async def test_tenants_are_checked(streaming: Streaming, tenant: str, code: grpc.StatusCode, text: str) -> None:
    for method in ("Search", "MetricsQueryRange"):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await anext(aiter(streaming.call(method, pb.SearchRequest(), pb.SearchResponse, tenant=tenant)))
        assert (raised.value.code(), raised.value.details()) == (code, text)


@pytest.mark.parametrize("streaming", [{"tenant_of": tenants_of}], indirect=True)
@pytest.mark.parametrize("port", ["grpc", "http"])
async def test_calls_are_about_the_tenants_that_are_named(streaming: Streaming, port: str) -> None:
    await streaming.search(tenant="b|a", port=port)
    assert [request.tenant for request in streaming.served.engine.asked] == ["a|b"]
    call = streaming.channels[port].unary_stream(f"/{SERVICE}/Search")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(aiter(call(b"", metadata=(("x-scope-orgid", "a"), ("x-scope-orgid", "b")))))
    assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.UNKNOWN, "no org id")


@pytest.mark.parametrize("streaming", [{"authenticate": Credentials(["token"]).authenticate}], indirect=True)
async def test_who_is_not_known_is_refused(streaming: Streaming) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await streaming.search()
    assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED
    call = streaming.channels["grpc"].unary_stream(f"/{SERVICE}/Search")
    assert [m async for m in call(b"", metadata=(("authorization", "Bearer token"),))]


async def test_a_partial_answer_says_so_at_its_end(streaming: Streaming) -> None:
    streaming.served.engine.found = SearchResult((), QueryMetrics(partial="block \u00fc is gone"))
    call = streaming.call("Search", pb.SearchRequest(), pb.SearchResponse)
    assert [message async for message in call]
    assert dict(await call.trailing_metadata())["x-tempo-partial"] == "block ? is gone"


async def test_calls_are_observed(streaming: Streaming) -> None:
    await streaming.search()
    streaming.served.engine.error = TooManyRequests("job queue full")
    with pytest.raises(grpc.aio.AioRpcError):
        await streaming.search()
    with pytest.raises(grpc.aio.AioRpcError, match="grpc: error unmarshalling request: ") as raised:
        await anext(aiter(streaming.channels["grpc"].unary_stream(f"/{SERVICE}/Search")(b"\xff")))
    assert raised.value.code() == grpc.StatusCode.INTERNAL
    assert streaming.served.observed == [("gRPC", f"/{SERVICE}/Search", status) for status in (200, 429, 500)]


@pytest.mark.parametrize(("function", "values"), [("rate()", [1.0]), ("compare({ status = error })", [2.0])])
async def test_a_comparison_is_told_when_it_is_whole(streaming: Streaming, function: str, values: list[float]) -> None:
    """Its most frequent values may be others in the end; samples of other functions stay as they are told."""
    times_ns = np.array([10**9], dtype=np.int64)
    part, whole = (RangeResult(times_ns, (Series((), np.array([v])),), QueryMetrics()) for v in (1.0, 2.0))
    streaming.served.engine.parts, streaming.served.engine.series = [part], whole
    request = pb.QueryRangeRequest(query=f"{{ }} | {function}", start=10**18, end=2 * 10**18, step=10**17)
    call = streaming.call("MetricsQueryRange", request, pb.QueryRangeResponse)
    told = [sample.value async for message in call for one in message.series for sample in one.samples]
    assert told == values


@pytest.mark.parametrize("streaming", [{"tenant_of": tenants_of}], indirect=True)
async def test_each_stream_leaves_a_line_of_the_log(streaming: Streaming, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, query_log.__name__)
    streaming.served.engine.parts = [SearchResult((), QueryMetrics(inspected_bytes=123, total_blocks=4))]
    sizes = [sum(message.ByteSize() for message in await streaming.search(port=port, tenant="t1")) for port in PORTS]
    streaming.served.engine.error = TooManyRequests("job queue full")
    with pytest.raises(grpc.aio.AioRpcError):
        await streaming.search(tenant="t2")
    lines = [Logfmt().format(record) for record in caplog.records if record.name == query_log.__name__]
    path = f'"/{SERVICE}/Search?Query=%7B+%7D" route=/{SERVICE}/Search'
    assert len(lines) == 3
    for line, size in zip(lines, sizes, strict=False):
        assert f"tenant=t1 method=gRPC path={path} status=200 duration_ms=" in line
        assert f"response_size={size} inspected_bytes=123 inspected_traces=0 total_blocks=4" in line
    assert f"tenant=t2 method=gRPC path={path} status=429 " in lines[2]


async def test_a_client_that_leaves_ends_its_query(streaming: Streaming) -> None:
    engine = streaming.served.engine
    engine.takes_for_ever = True
    for port in ("grpc", "http"):
        engine.started.clear()
        engine.was_cancelled.clear()
        call = streaming.call("Search", pb.SearchRequest(Query="{ }"), pb.SearchResponse, port=port)
        reading = asyncio.ensure_future(call.read())
        await asyncio.wait_for(engine.started.wait(), 60)
        call.cancel()
        await asyncio.wait_for(engine.was_cancelled.wait(), 60)
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_connection_that_breaks_ends_its_queries(streaming: Streaming) -> None:
    engine = streaming.served.engine
    engine.takes_for_ever = True
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{streaming.served.port}")
    call = channel.unary_stream(f"/{SERVICE}/Search")(b"")
    await asyncio.wait_for(engine.started.wait(), 60)
    await channel.close()
    await asyncio.wait_for(engine.was_cancelled.wait(), 60)
    assert call.done()


@pytest.mark.slow
async def test_a_slow_reader_is_given_up_and_holds_no_more_than_its_answer(streaming: Streaming) -> None:
    """An endless answer to nobody: parts of 3 MB, of which one goes into the windows of the connection."""
    made, closed = 0, asyncio.Event()

    async def endless(_request: object) -> AsyncIterator[TagValuesResult]:
        nonlocal made
        try:
            while True:
                made += 1
                values = tuple(TagValue("string", f"{made} {number} {'x' * 1000}") for number in range(300))
                yield TagValuesResult(values, QueryMetrics())
                await asyncio.sleep(0.2)
        finally:
            closed.set()

    streaming.served.engine.stream_tag_values = endless  # type: ignore[method-assign]
    request = pb.SearchTagValuesRequest(tagName="name")
    call = streaming.call("SearchTagValuesV2", request, pb.SearchTagValuesV2Response)
    await call.read()
    others = await streaming.search(port="http")
    assert len(others) == 1
    await asyncio.wait_for(closed.wait(), 60)
    gc.collect()
    assert made < 60
    call.cancel()


async def test_fifty_streams_at_once(streaming: Streaming) -> None:
    streaming.served.engine.found = traces(100)
    ports = ["grpc", "http"] * 25
    answers = await asyncio.gather(*(streaming.search(port=port) for port in ports))
    assert all(len(message.traces) == 100 for [message] in answers)


async def test_without_a_path_http2_is_not_spoken(served: Served) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await anext(aiter(channel.unary_stream(f"/{SERVICE}/Search")(b"", timeout=60)))
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_health_knows_the_service(streaming: Streaming) -> None:
    for name in (b"", b"\x0a\x18" + SERVICE.encode()):
        check = streaming.channels["http"].unary_unary("/grpc.health.v1.Health/Check")
        assert await check(name) == b"\x08\x01"
