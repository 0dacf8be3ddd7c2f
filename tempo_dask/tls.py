"""TLS as it is configured, in the forms that HTTP and gRPC take."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import grpc

from tempo_dask.config.section import ConfigError
from tempo_dask.config.server import GrpcTls, Tls

_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


def http_tls(
    config: Tls, where: str = "server.http_tls_config", protocols: Sequence[str] = ("h2", "http/1.1")
) -> ssl.SSLContext | None:
    """Return what HTTP is served with, None where it is plain. Raises ConfigError, which says `where`."""
    if config.cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(protocols))
    try:
        context.load_cert_chain(config.cert_file, config.key_file)
        if config.client_ca_file is not None:
            context.load_verify_locations(config.client_ca_file)
    except OSError as error:  # ssl's errors are among these
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error
    context.verify_mode = _VERIFY[config.client_auth_type]
    return context


def grpc_tls(config: GrpcTls, where: str = "server.grpc_tls_config") -> grpc.ServerCredentials | None:
    """Return what gRPC is served with, None where it is plain. Raises ConfigError, which says `where`."""
    if config.cert_file is None or config.key_file is None:
        return None
    try:
        pair = (config.key_file.read_bytes(), config.cert_file.read_bytes())
        authorities = None if config.client_ca_file is None else config.client_ca_file.read_bytes()
    except OSError as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error
    is_required = config.client_auth_type == "RequireAndVerifyClientCert"
    return grpc.ssl_server_credentials([pair], authorities, is_required)
