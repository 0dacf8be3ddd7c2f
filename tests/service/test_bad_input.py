"""Whatever is sent, the server answers, lives on, and other requests are unharmed."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import grpc
import psutil
import pytest

from tests.ingest.http_client import Answer, ask
from tests.ingest.numbered import body
from tests.serving import ServerProcess

MIB = 1 << 20
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture(autouse=True)
def unharmed(server: ServerProcess) -> Iterator[None]:
    """After every test the same process takes spans, and shows them."""
    pid = server.pid
    yield
    assert server.push(body([7])).status == 200
    assert server.ask(f"/api/traces/{7 // 3 + 1:032x}").status == 200
    assert server.pid == pid
    assert server.ask("/ready").status == 200


def push(server: ServerProcess, message: object, headers: dict[str, str] | None = None) -> Answer:
    return ask(f"http://{server.addresses['otlp_http']}/v1/traces", "POST", message, PROTOBUF | (headers or {}))


def rss_mib(server: ServerProcess) -> float:
    return psutil.Process(server.pid).memory_info().rss / MIB


def span(trace_id: bytes, span_id: bytes) -> bytes:
    fields = b"".join(tag + bytes([len(value)]) + value for tag, value in ((b"\x0a", trace_id), (b"\x12", span_id)))
    for tag in (b"\x12", b"\x12", b"\x0a"):
        fields = tag + bytes([len(fields)]) + fields
    return fields


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"\xff\xff\xff", "unexpected EOF"),
        (body(range(5))[:-3], "unexpected EOF"),
        (span(b"\x01" * 8, b"\x01" * 8), "unmarshal: invalid TraceID length"),
        (span(b"\x01" * 17, b"\x01" * 8), "unmarshal: invalid TraceID length"),
        (span(b"\x01" * 16, b"\x01" * 4), "unmarshal: invalid SpanID length"),
        (span(bytes(16), b"\x01" * 8), "trace ids must be 128 bit, received 0 bits"),
        (span(b"", b"\x01" * 8), "trace ids must be 128 bit, received 0 bits"),
        (span(b"\x01" * 16, bytes(8)), "span ids must be 64 bit and not all zero, received 0 bits"),
        (span(b"\x01" * 16, b""), "span ids must be 64 bit and not all zero, received 0 bits"),
    ],
)  # fmt: skip
def test_refused_requests(server: ServerProcess, message: bytes, text: str) -> None:
    answer = push(server, message)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/x-protobuf")
    assert answer.body == b"\x08\x03\x12" + bytes([len(text)]) + text.encode()
    with grpc.insecure_channel(server.addresses["otlp_grpc"]) as channel, pytest.raises(grpc.RpcError) as error:
        channel.unary_unary(EXPORT)(message)
    malformed = "must be" not in text
    assert error.value.code().name == ("INTERNAL" if malformed else "INVALID_ARGUMENT")
    assert error.value.details() == ("grpc: error unmarshalling request: " if malformed else "") + text


def test_good_requests_among_bad_ones(server: ServerProcess) -> None:
    bodies = [body([100 + n]) if n % 2 else b"\xff\xff\xff" for n in range(60)]
    with ThreadPoolExecutor(12) as pool:
        statuses = [answer.status for answer in pool.map(lambda each: push(server, each), bodies)]
    assert statuses == [200 if n % 2 else 400 for n in range(60)]
    for n in range(1, 60, 2):
        assert server.ask(f"/api/traces/{(100 + n) // 3 + 1:032x}").status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_100_mib_are_not_kept(server: ServerProcess, chunked: bool) -> None:
    before = rss_mib(server)
    peak = before

    def pieces() -> Iterator[bytes]:
        nonlocal peak
        for _ in range(100):
            yield bytes(MIB)
            peak = max(peak, rss_mib(server))

    answer = push(server, pieces(), {} if chunked else {"Content-Length": str(100 * MIB)})
    assert (answer.status, answer.body) == (400, b"\x08\x03\x12\x1chttp: request body too large")
    assert peak - before < 45


def test_gzip_bombs_are_not_unpacked(server: ServerProcess) -> None:
    bomb = gzip.compress(bytes(200 * MIB), 1)
    before = rss_mib(server)
    answer = push(server, bomb, {"Content-Encoding": "gzip"})
    assert (answer.status, answer.body) == (400, b"\x08\x03\x12\x1chttp: request body too large")
    assert rss_mib(server) - before < 60


def test_a_large_grpc_message_is_refused(server: ServerProcess) -> None:
    with grpc.insecure_channel(
        server.addresses["otlp_grpc"], options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            with pytest.raises(grpc.RpcError) as error:
                channel.unary_unary(EXPORT)(bytes(100 * MIB), compression=compression)
            assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("name", ["http", "grpc", "otlp_grpc", "otlp_http"])
@pytest.mark.parametrize(
    "noise", [b"", b"\x00" * 1000, b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST /v1/tr"]
)
def test_noise_on_any_port(server: ServerProcess, name: str, noise: bytes) -> None:
    host, port = server.addresses[name].split(":")
    with closing(socket.create_connection((host, int(port)))) as connection:
        connection.sendall(noise)


def test_a_query_that_does_not_parse(server: ServerProcess) -> None:
    answer = server.ask("/api/search", q="{ duration > fast }")
    assert answer.status == 400
    assert "line 1" in answer.text


def test_wrong_content_types(server: ServerProcess) -> None:
    for content_type in ("text/plain", "application/protobuf", ""):
        answer = push(server, body([1]), {"Content-Type": content_type})
        text = "415 unsupported media type, supported: [application/json, application/x-protobuf]"
        assert (answer.status, answer.text) == (415, text)
