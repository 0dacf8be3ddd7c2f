"""The receivers that a configuration asks for, from start to end."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import grpc

from tempo_dask.config.receivers import DefaultReceivers, Grpc, Http, Jaeger, Otlp, Receivers, Udp, Zipkin
from tempo_dask.config.section import split_address
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers.jaeger_grpc import JaegerGrpcReceiver
from tempo_dask.ingest.receivers.jaeger_http import jaeger_http
from tempo_dask.ingest.receivers.jaeger_udp import JaegerUdpReceiver
from tempo_dask.ingest.receivers.otlp_grpc import OtlpGrpcReceiver
from tempo_dask.ingest.receivers.otlp_http import otlp_http
from tempo_dask.ingest.receivers.thrift_wire import BinaryReader, CompactReader, Reader
from tempo_dask.ingest.receivers.zipkin_http import zipkin_http
from tempo_dask.tls import grpc_tls, http_tls

log = logging.getLogger(__name__)


class Receiver(Protocol):
    """A server that takes spans."""

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port. Raises OSError where the address cannot be had."""
        ...

    async def stop_receiving(self) -> None:
        """Take no more spans; requests that run may finish."""
        ...

    async def stop(self) -> None:
        """Close what is open."""
        ...


@dataclass(frozen=True, slots=True)
class Placed:
    """A receiver, the name it is announced by, and where it should listen."""

    name: str
    endpoint: str
    receiver: Receiver
    gives_way: bool = False  # where its port is taken, the server starts without it


def receivers_of(config: Receivers, push: Push) -> list[Placed]:
    """Return the receivers that a configuration asks for. Raises ConfigError where their certificates are no use."""
    gives_way = isinstance(config, DefaultReceivers)
    return [*_otlp(config.otlp, push), *_jaeger(config.jaeger, push, gives_way), *_zipkin(config.zipkin, push)]


def _otlp(config: Otlp, push: Push) -> Iterator[Placed]:
    if http := config.protocols.http:
        tls = _http_tls(http, "otlp.protocols.http")
        receiver = otlp_http(push, http.max_request_body_size, http.traces_url_path, tls)
        yield Placed("otlp_http", http.endpoint, receiver)
    if rpc := config.protocols.grpc:
        credentials = _grpc_tls(rpc, "otlp.protocols.grpc")
        otlp_grpc = OtlpGrpcReceiver(push, rpc.max_recv_msg_size_mib << 20, credentials)
        yield Placed("otlp_grpc", rpc.endpoint, otlp_grpc)


def _jaeger(config: Jaeger, push: Push, gives_way: bool) -> Iterator[Placed]:
    protocols = config.protocols
    if rpc := protocols.grpc:
        credentials = _grpc_tls(rpc, "jaeger.protocols.grpc")
        receiver = JaegerGrpcReceiver(push, rpc.max_recv_msg_size_mib << 20, credentials)
        yield Placed("jaeger_grpc", rpc.endpoint, receiver, gives_way)
    if http := protocols.thrift_http:
        thrift = jaeger_http(push, http.max_request_body_size, _http_tls(http, "jaeger.protocols.thrift_http"))
        yield Placed("jaeger_thrift_http", http.endpoint, thrift, gives_way)
    if compact := protocols.thrift_compact:
        yield Placed("jaeger_thrift_compact", compact.endpoint, _udp(compact, push, CompactReader, "compact"))
    if binary := protocols.thrift_binary:
        yield Placed("jaeger_thrift_binary", binary.endpoint, _udp(binary, push, BinaryReader, "binary"))


def _zipkin(config: Zipkin | None, push: Push) -> Iterator[Placed]:
    if config:
        tls = _http_tls(config, "zipkin")
        receiver = zipkin_http(push, config.max_request_body_size, tls, parse_string_tags=config.parse_string_tags)
        yield Placed("zipkin", config.endpoint, receiver)


def _http_tls(config: Http, name: str) -> ssl.SSLContext | None:
    return http_tls(config.tls.served(), f"distributor.receivers.{name}.tls", ("http/1.1",))


def _grpc_tls(config: Grpc, name: str) -> grpc.ServerCredentials | None:
    return grpc_tls(config.tls.served(), f"distributor.receivers.{name}.tls")


def _udp(config: Udp, push: Push, reader: Callable[[bytes], Reader], protocol: str) -> JaegerUdpReceiver:
    return JaegerUdpReceiver(
        push,
        reader,
        transport=f"udp_thrift_{protocol}",
        queue_size=config.queue_size,
        max_packet_bytes=config.max_packet_size,
        socket_buffer_bytes=config.socket_buffer_size,
    )


async def start(placed: Placed) -> str | None:
    """Start a receiver and return HOST:PORT with the port that it took, or None where it gave way. Raises OSError."""
    host, port = split_address(placed.endpoint)
    try:
        return f"{bracketed(host)}:{await placed.receiver.start(host, port)}"
    except OSError as error:
        if placed.gives_way:
            log.warning("%s is not served, for its port is taken: %s: %s", placed.name, placed.endpoint, error)
            return None
        msg = f"cannot listen on {bracketed(host)}:{port}: {error.strerror or error}"
        raise OSError(msg) from error


def bracketed(host: str) -> str:
    """Return a host as it stands before a port."""
    return f"[{host}]" if ":" in host else host
