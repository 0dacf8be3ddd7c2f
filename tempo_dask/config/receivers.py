"""`distributor.receivers`: which receivers run, and where, in the words of the OpenTelemetry Collector.

A protocol is served where its key stands, with or without a value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, PositiveInt, model_validator

from tempo_dask.config.section import ConfigError, Section, split_address
from tempo_dask.config.server import GrpcTls


def _require_address(text: str) -> str:
    try:
        split_address(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return text


#: HOST:PORT
Address = Annotated[str, AfterValidator(_require_address)]


class KeysCount(Section):
    """A section in which a key without a value counts as one with all defaults."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, data: Any) -> Any:
        if data is None or isinstance(data, dict):
            return {key: {} if value is None else value for key, value in (data or {}).items()}
        return data


class ReceiverTls(Section):
    """`tls` of a receiver: without a certificate there is none; with `client_ca_file` clients must show theirs."""

    cert_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None

    def served(self) -> GrpcTls:
        """Return it in the words of `server`, which HTTP and gRPC are served by."""
        return GrpcTls(
            cert_file=self.cert_file,
            key_file=self.key_file,
            client_ca_file=self.client_ca_file,
            client_auth_type="NoClientCert" if self.client_ca_file is None else "RequireAndVerifyClientCert",
        )

    @model_validator(mode="after")
    def _require_files(self) -> ReceiverTls:
        self.served()
        return self


class Grpc(Section):
    """A protocol over gRPC."""

    endpoint: Address
    tls: ReceiverTls = ReceiverTls()
    max_recv_msg_size_mib: PositiveInt = 16
    include_metadata: bool = True  # the tenant's header is always looked at


class Http(Section):
    """A protocol over HTTP."""

    endpoint: Address
    tls: ReceiverTls = ReceiverTls()
    max_request_body_size: PositiveInt = 20 << 20
    include_metadata: bool = True


class Udp(Section):
    """A protocol of datagrams."""

    endpoint: Address
    queue_size: PositiveInt = 1000  # datagrams that wait; what comes on top is lost
    max_packet_size: PositiveInt = 65_000
    workers: PositiveInt = 10  # one does here, for datagrams are committed in groups
    socket_buffer_size: int = 0


class OtlpGrpc(Grpc):
    """`otlp.protocols.grpc`."""

    endpoint: Address = "localhost:4317"


class OtlpHttp(Http):
    """`otlp.protocols.http`."""

    endpoint: Address = "localhost:4318"
    traces_url_path: str = "/v1/traces"


class JaegerGrpc(Grpc):
    """`jaeger.protocols.grpc`."""

    endpoint: Address = "localhost:14250"


class JaegerThriftHttp(Http):
    """`jaeger.protocols.thrift_http`."""

    endpoint: Address = "localhost:14268"


class JaegerThriftCompact(Udp):
    """`jaeger.protocols.thrift_compact`."""

    endpoint: Address = "localhost:6831"


class JaegerThriftBinary(Udp):
    """`jaeger.protocols.thrift_binary`."""

    endpoint: Address = "localhost:6832"


class Zipkin(Http):
    """`zipkin`."""

    endpoint: Address = "localhost:9411"
    parse_string_tags: bool = False


class OtlpProtocols(KeysCount):
    """`otlp.protocols`."""

    grpc: OtlpGrpc | None = None
    http: OtlpHttp | None = None


class JaegerProtocols(KeysCount):
    """`jaeger.protocols`."""

    grpc: JaegerGrpc | None = None
    thrift_http: JaegerThriftHttp | None = None
    thrift_compact: JaegerThriftCompact | None = None
    thrift_binary: JaegerThriftBinary | None = None


class Otlp(Section):
    """`otlp`."""

    protocols: OtlpProtocols = OtlpProtocols()


class Jaeger(Section):
    """`jaeger`."""

    protocols: JaegerProtocols = JaegerProtocols()


class Receivers(KeysCount):
    """`distributor.receivers`: those it names run, and no others."""

    otlp: Otlp = Otlp()
    jaeger: Jaeger = Jaeger()
    zipkin: Zipkin | None = None


class DefaultReceivers(Receivers):
    """What runs where the file names no receivers. Jaeger's are a courtesy: they give way where a port is taken."""

    otlp: Otlp = Otlp(protocols=OtlpProtocols(grpc=OtlpGrpc(), http=OtlpHttp()))
    jaeger: Jaeger = Jaeger(protocols=JaegerProtocols(grpc=JaegerGrpc(), thrift_http=JaegerThriftHttp()))


def with_otlp_addresses(receivers: Receivers, grpc: str | None, http: str | None) -> Receivers:
    """Return the receivers with OTLP at other addresses, HOST:PORT each. Raises ConfigError for one that is not."""
    protocols = receivers.otlp.protocols
    if grpc is not None:
        split_address(grpc)
        changed = (protocols.grpc or OtlpGrpc()).model_copy(update={"endpoint": grpc})
        protocols = protocols.model_copy(update={"grpc": changed})
    if http is not None:
        split_address(http)
        changed_http = (protocols.http or OtlpHttp()).model_copy(update={"endpoint": http})
        protocols = protocols.model_copy(update={"http": changed_http})
    return receivers.model_copy(update={"otlp": Otlp(protocols=protocols)})
