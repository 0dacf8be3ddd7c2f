"""TLS and clients' certificates, for HTTP, for gRPC, and for gRPC over HTTP's port: the example `deploy/tls.yaml`."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import grpc
import pytest

from tempo_dask.api.pb import tempo_pb2 as pb
from tempo_dask.config.file import parse
from tempo_dask.config.section import ConfigError
from tempo_dask.tls import grpc_tls, http_tls
from tests.service.examples import ExampleServer
from tests.serving import ServerProcess

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")

#: Clients show who they are by more than a certificate.
TOKEN = "a-token"
AUTHORIZATION = ("authorization", f"Bearer {TOKEN}")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server's and a client's certificate, and one that another authority signed."""
    folder = tmp_path_factory.mktemp("certificates")
    for authority in ("ca", "other-ca"):
        _openssl(
            folder,
            "req",
            "-x509",
            "-nodes",
            *_key(f"{authority}.key"),
            "-subj",
            f"/CN={authority}",
            "-out",
            f"{authority}.pem",
        )
    for name, authority in (("server", "ca"), ("client", "ca"), ("stranger", "other-ca")):
        request = ("req", "-nodes", *_key(f"{name}.key"), "-subj", f"/CN={name}", "-out", f"{name}.csr")
        _openssl(folder, *request)
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        signer = ("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-extfile", "names")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signer, "-days", "2", "-out", f"{name}.pem")
    return folder


def _key(name: str) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", name)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class TlsServer(ExampleServer):
    """A server that tells nobody without a certificate whether it is ready."""

    def _wait_until_ready(self) -> None:
        """It listens, and lets queries wait until it is ready."""


@pytest.fixture(scope="module")
def server(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    folder = tmp_path_factory.mktemp("tls")
    with TlsServer("tls.yaml", folder, TLS_DIR=str(certificates), QUERY_TOKEN=TOKEN) as running:
        yield running


def client_context(certificates: Path, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if name is not None:
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


def fetch(server: ServerProcess, path: str, context: ssl.SSLContext, *, has_token: bool = True) -> tuple[int, bytes]:
    connection = HTTPSConnection(server.addresses["http"], context=context, timeout=300)
    try:
        connection.request("GET", path, headers=dict([AUTHORIZATION] if has_token else []))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def channel_credentials(certificates: Path, name: str | None) -> grpc.ChannelCredentials:
    authority = (certificates / "ca.pem").read_bytes()
    if name is None:
        return grpc.ssl_channel_credentials(authority)
    files = [(certificates / f"{name}.{kind}").read_bytes() for kind in ("key", "pem")]
    return grpc.ssl_channel_credentials(authority, *files)


def test_https_with_a_certificate(server: ServerProcess, certificates: Path) -> None:
    status, body = fetch(server, "/api/search?q=%7B%7D", client_context(certificates, "client"))
    assert status == 200
    assert json.loads(body)["traces"] == []


def test_a_certificate_alone_is_not_enough(server: ServerProcess, certificates: Path) -> None:
    status, _ = fetch(server, "/api/search", client_context(certificates, "client"), has_token=False)
    assert status == 401


@pytest.mark.parametrize("name", [None, "stranger"])
def test_https_without_a_certificate_is_refused(server: ServerProcess, certificates: Path, name: str | None) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        fetch(server, "/api/echo", client_context(certificates, name))


@pytest.mark.parametrize("port", ["grpc", "http"])
def test_grpc_with_a_certificate(server: ServerProcess, certificates: Path, port: str) -> None:
    """On the HTTP port the client says by ALPN that it speaks HTTP/2."""
    with grpc.secure_channel(server.addresses[port], channel_credentials(certificates, "client")) as channel:
        search = channel.unary_stream(
            "/tempopb.StreamingQuerier/Search", response_deserializer=pb.SearchResponse.FromString
        )
        request = pb.SearchRequest(Query="{ }").SerializeToString()
        [message] = list(search(request, metadata=[AUTHORIZATION], timeout=300))
    assert not message.traces


@pytest.mark.parametrize("name", [None, "stranger"])
@pytest.mark.parametrize("port", ["grpc", "http"])
def test_grpc_without_a_certificate_is_refused(
    server: ServerProcess, certificates: Path, port: str, name: str | None
) -> None:
    credentials = channel_credentials(certificates, name)
    with grpc.secure_channel(server.addresses[port], credentials) as channel, pytest.raises(grpc.RpcError) as raised:
        list(channel.unary_stream("/tempopb.StreamingQuerier/Search")(b"", timeout=5))
    assert raised.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def test_plain_text_is_refused(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.addresses["http"]) as channel, pytest.raises(grpc.RpcError):
        list(channel.unary_stream("/tempopb.StreamingQuerier/Search")(b"", timeout=2))


def test_a_certificate_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    tls = f"{{cert_file: {tmp_path}/a, key_file: {tmp_path}/b}}"
    server = parse(f"server: {{http_tls_config: {tls}, grpc_tls_config: {tls}}}").server
    with pytest.raises(ConfigError, match="http_tls_config"):
        http_tls(server.http_tls_config)
    with pytest.raises(ConfigError, match="grpc_tls_config"):
        grpc_tls(server.grpc_tls_config)


@pytest.mark.parametrize(
    "tls",
    [
        "{cert_file: a}",
        "{client_auth_type: RequireAndVerifyClientCert, cert_file: a, key_file: b}",
        "{client_auth_type: X}",
    ],
)
def test_half_a_configuration_is_refused(tls: str) -> None:
    with pytest.raises(ConfigError, match="http_tls_config"):
        parse(f"server: {{http_tls_config: {tls}}}")
