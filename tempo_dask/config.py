"""The configuration file: Tempo's keys and Tempo's defaults, as far as they mean something here.

A section is a class, a key is a field. A key that no class has stops the start and is named, with its line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from tempo_dask.errors import TempoDaskError

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


class ConfigError(TempoDaskError):
    """The configuration cannot be used; the message says where and why."""


def parse_duration(value: object) -> object:
    """Return a duration as Go writes it (`1h30m`, `500ms`, `0`) as a timedelta, anything else as it is."""
    if value in (0, "0"):
        return timedelta()
    if not isinstance(value, str):
        return value
    parts = _DURATION_PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        msg = f"expected a duration such as 30s or 1h30m, found {value!r}"
        raise ValueError(msg)
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A mapping of the file. A key without a value is as good as no key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}
        return {} if data is None else data


class Server(Section):
    """`server`: the query API and gRPC."""

    http_listen_address: str = ""
    http_listen_port: Port = 3200
    grpc_listen_address: str = ""
    grpc_listen_port: Port = 9095
    grpc_server_max_recv_msg_size: PositiveInt = 16 << 20
    grpc_server_max_send_msg_size: PositiveInt = 16 << 20
    log_level: Literal["debug", "info", "warn", "error"] = "info"
    log_format: Literal["logfmt", "json"] = "logfmt"


class OtlpGrpc(Section):
    """`distributor.receivers.otlp.protocols.grpc`."""

    endpoint: str = "localhost:4317"
    max_recv_msg_size_mib: PositiveInt = 16


class OtlpHttp(Section):
    """`distributor.receivers.otlp.protocols.http`."""

    endpoint: str = "localhost:4318"
    traces_url_path: str = "/v1/traces"
    max_request_body_size: PositiveInt = 20 << 20


class OtlpProtocols(Section):
    """`distributor.receivers.otlp.protocols`: a protocol is served where its key stands, with or without a value."""

    grpc: OtlpGrpc | None = None
    http: OtlpHttp | None = None

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, data: Any) -> Any:
        return {key: {} if value is None else value for key, value in (data or {}).items()}


class Otlp(Section):
    """`distributor.receivers.otlp`."""

    protocols: OtlpProtocols = OtlpProtocols()


class Receivers(Section):
    """`distributor.receivers`; without it OTLP is served over both protocols."""

    otlp: Otlp = Otlp()


class Distributor(Section):
    """`distributor`: the way in."""

    receivers: Receivers = Receivers(otlp=Otlp(protocols=OtlpProtocols(grpc=OtlpGrpc(), http=OtlpHttp())))


class Ingester(Section):
    """`ingester`: how long spans stay live."""

    max_block_duration: Duration = timedelta(minutes=30)
    max_block_bytes: PositiveInt = 500 << 20
    flush_check_period: Duration = timedelta(seconds=1)
    flush_all_on_shutdown: bool = False
    max_live_bytes: PositiveInt = 256 << 20  # ours: live spans beyond it become blocks early


class LocalBackend(Section):
    """`storage.trace.local`."""

    path: Path | None = None


class Wal(Section):
    """`storage.trace.wal`."""

    path: Path | None = None


class TraceStorage(Section):
    """`storage.trace`: where blocks and the log lie; both are below the data folder unless a path is given."""

    backend: Literal["local"] = "local"
    local: LocalBackend = LocalBackend()
    wal: Wal = Wal()


class Storage(Section):
    """`storage`."""

    trace: TraceStorage = TraceStorage()


class Config(Section):
    """The whole file."""

    http_api_prefix: str = ""
    server: Server = Server()
    distributor: Distributor = Distributor()
    ingester: Ingester = Ingester()
    storage: Storage = Storage()


def with_addresses(
    config: Config,
    *,
    http: str | None = None,
    grpc: str | None = None,
    otlp_grpc: str | None = None,
    otlp_http: str | None = None,
) -> Config:
    """Return the configuration with other addresses, HOST:PORT each. Raises ConfigError for one that is not."""
    server: dict[str, str | int] = {}
    for name, address in (("http", http), ("grpc", grpc)):
        if address is not None:
            server[f"{name}_listen_address"], server[f"{name}_listen_port"] = split_address(address)
    protocols = config.distributor.receivers.otlp.protocols
    if otlp_grpc is not None:
        split_address(otlp_grpc)
        changed = (protocols.grpc or OtlpGrpc()).model_copy(update={"endpoint": otlp_grpc})
        protocols = protocols.model_copy(update={"grpc": changed})
    if otlp_http is not None:
        split_address(otlp_http)
        changed_http = (protocols.http or OtlpHttp()).model_copy(update={"endpoint": otlp_http})
        protocols = protocols.model_copy(update={"http": changed_http})
    receivers = config.distributor.receivers.model_copy(update={"otlp": Otlp(protocols=protocols)})
    return config.model_copy(
        update={
            "server": config.server.model_copy(update=server),
            "distributor": Distributor(receivers=receivers),
        }
    )


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT; an empty host is every interface. Raises ConfigError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        msg = f"expected HOST:PORT, for example 127.0.0.1:3200, found {address!r}"
        raise ConfigError(msg)
    return host.strip("[]"), int(port)


def load(path: Path) -> Config:
    """Read a configuration file. Raises ConfigError with every key that is wrong."""
    try:
        text = path.read_text()
    except OSError as error:
        msg = f"failed parsing config: failed to read configFile {path}: {error.strerror}"
        raise ConfigError(msg) from error
    try:
        return parse(text)
    except ConfigError as error:
        msg = f"failed parsing config: failed to parse configFile {path}: {error}"
        raise ConfigError(msg) from error


def parse(text: str) -> Config:
    """Return the configuration that a YAML text says. Raises ConfigError."""
    try:
        tree = yaml.compose(text, yaml.SafeLoader)
        return Config.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        msg = f"yaml: {error}"
        raise ConfigError(msg) from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise ConfigError("\n".join(_complaint(tree, e["loc"], e["type"], e["msg"]) for e in found)) from error


def _complaint(tree: yaml.Node | None, path: Sequence[int | str], kind: str, text: str) -> str:
    key = ".".join(str(part) for part in path)
    line = _line(tree, path)
    if kind == "extra_forbidden":
        return f"line {line}: unknown key {key}"
    return f"line {line}: {key}: {text.removeprefix('Value error, ')}"


def _line(node: yaml.Node | None, path: Sequence[int | str]) -> int:
    """Return the line (from 1) on which the key at the end of a path stands, or the nearest one above it."""
    line = 1
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            break
        found = next(((key, value) for key, value in node.value if key.value == part), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
