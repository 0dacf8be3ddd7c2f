"""Receivers speak TLS where `tls` says so, and ask for clients' certificates where it names who signs them."""

from __future__ import annotations

import asyncio
import http.client
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from tempo_dask.config.file import parse
from tempo_dask.config.section import ConfigError
from tempo_dask.ingest import receiving
from tempo_dask.ingest.receiving import receivers_of
from tests.ingest.conftest import Taken
from tests.ingest.numbered import body

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that signs itself, for server and client alike: `cert.pem` and `key.pem` in a folder."""
    folder = tmp_path_factory.mktemp("certificate")
    made = ("req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    files = ("-keyout", "key.pem", "-out", "cert.pem")
    subprocess.run(["openssl", *made, *names, *files], cwd=folder, check=True, capture_output=True)
    return folder


@asynccontextmanager
async def served(taken: Taken, receivers: str) -> AsyncIterator[dict[str, str]]:
    """Start the receivers of a configuration and give the address of each."""
    placed = receivers_of(parse(f"distributor: {{receivers: {receivers}}}").distributor.receivers, taken.push)
    try:
        yield {each.name: str(await receiving.start(each)) for each in placed}
    finally:
        for each in placed:
            await each.receiver.stop_receiving()
            await each.receiver.stop()


def tls(folder: Path, *, clients: bool = False) -> str:
    more = f", client_ca_file: {folder}/cert.pem" if clients else ""
    return f"{{endpoint: '127.0.0.1:0', tls: {{cert_file: {folder}/cert.pem, key_file: {folder}/key.pem{more}}}}}"


async def export(address: str, credentials: grpc.ChannelCredentials) -> None:
    async with grpc.aio.secure_channel(address, credentials) as channel:
        await channel.unary_unary(EXPORT)(body([1]), timeout=60)


def post(address: str, path: str, sent: bytes, content_type: str, context: ssl.SSLContext) -> int:
    connection = http.client.HTTPSConnection(address, context=context, timeout=60)
    try:
        connection.request("POST", path, sent, {"Content-Type": content_type})
        return connection.getresponse().status
    finally:
        connection.close()


async def test_every_protocol_over_tls(taken: Taken, certificate: Path) -> None:
    endpoint = tls(certificate)
    protocols = f"{{grpc: {endpoint}, http: {endpoint}}}"
    receivers = f"{{otlp: {{protocols: {protocols}}}, zipkin: {endpoint}}}"
    authority = (certificate / "cert.pem").read_bytes()
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    async with served(taken, receivers) as addresses:
        await export(addresses["otlp_grpc"], grpc.ssl_channel_credentials(authority))
        asked = ("/v1/traces", body([2]), "application/x-protobuf", context)
        assert await asyncio.to_thread(post, addresses["otlp_http"], *asked) == 200
        spans = b'[{"traceId": "0123456789abcdef", "id": "0123456789abcdef", "name": "z"}]'
        asked = ("/api/v2/spans", spans, "application/json", context)
        assert await asyncio.to_thread(post, addresses["zipkin"], *asked) == 202
    assert len(taken.bodies) == 3


async def test_clients_without_a_certificate_are_turned_away(taken: Taken, certificate: Path) -> None:
    endpoint = tls(certificate, clients=True)
    authority, key = ((certificate / name).read_bytes() for name in ("cert.pem", "key.pem"))
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    asked = ("/v1/traces", body([2]), "application/x-protobuf", context)
    async with served(taken, f"{{otlp: {{protocols: {{grpc: {endpoint}, http: {endpoint}}}}}}}") as addresses:
        with pytest.raises(grpc.aio.AioRpcError):
            await export(addresses["otlp_grpc"], grpc.ssl_channel_credentials(authority))
        with pytest.raises(OSError):  # the handshake's or the connection's end, as it happens
            await asyncio.to_thread(post, addresses["otlp_http"], *asked)
        assert taken.bodies == []
        await export(addresses["otlp_grpc"], grpc.ssl_channel_credentials(authority, key, authority))
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        assert await asyncio.to_thread(post, addresses["otlp_http"], *asked) == 200


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("cert_file: a.pem", "cert_file and key_file go together"),
        ("client_ca_file: a.pem", "client_ca_file"),
        ("cert_files: a.pem", "unknown key"),
    ],
)
def test_half_a_pair_stops_the_start(keys: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(f"distributor: {{receivers: {{zipkin: {{tls: {{{keys}}}}}}}}}")


async def test_a_certificate_that_is_not_there_is_named(taken: Taken) -> None:
    config = parse("distributor: {receivers: {zipkin: {tls: {cert_file: /no.pem, key_file: /no.key}}}}")
    with pytest.raises(ConfigError, match=r"distributor\.receivers\.zipkin\.tls"):
        receivers_of(config.distributor.receivers, taken.push)
