"""The configuration file: Tempo's keys and Tempo's defaults, as far as they mean something here.

A section is a class, a key is a field. A key that no class has stops the start and is named, with its line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import PositiveInt, PrivateAttr, ValidationError

from tempo_dask.config.accepted import without_effect, without_keys
from tempo_dask.config.checks import refusals, warnings
from tempo_dask.config.cluster import ClusterSection
from tempo_dask.config.compactor import Compactor
from tempo_dask.config.overrides import Overrides
from tempo_dask.config.querier import Querier
from tempo_dask.config.receivers import DefaultReceivers, Receivers, with_otlp_addresses
from tempo_dask.config.roles import ROLES, Role, Target
from tempo_dask.config.section import ConfigError, Duration, Port, Section, split_address
from tempo_dask.config.server import Authentication, GrpcTls, QueryFrontend, Tls
from tempo_dask.config.storage import Storage
from tempo_dask.config.tracing import Tracing

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


class Server(Section):
    """`server`: the query API and gRPC."""

    http_listen_address: str = ""
    http_listen_port: Port = 3200
    grpc_listen_address: str = ""
    grpc_listen_port: Port = 9095
    grpc_server_max_recv_msg_size: PositiveInt = 16 << 20
    grpc_server_max_send_msg_size: PositiveInt = 16 << 20
    http_server_read_timeout: Duration = timedelta(seconds=30)
    http_server_write_timeout: Duration = timedelta(seconds=30)
    http_server_idle_timeout: Duration = timedelta(minutes=2)
    http_tls_config: Tls = Tls()
    grpc_tls_config: GrpcTls = GrpcTls()
    authentication: Authentication = Authentication()
    log_level: Literal["debug", "info", "warn", "error"] = "info"
    log_format: Literal["logfmt", "json"] = "logfmt"


class Distributor(Section):
    """`distributor`: the way in."""

    receivers: Receivers = DefaultReceivers()
    retry_after_on_resource_exhausted: Duration = timedelta()


class Ingester(Section):
    """`ingester`: how long spans stay live, and traces count as live against the limits of their tenant."""

    trace_idle_period: Duration = timedelta(seconds=5)
    trace_live_period: Duration = timedelta(seconds=30)
    max_block_duration: Duration = timedelta(minutes=30)
    max_block_bytes: PositiveInt = 500 << 20
    flush_check_period: Duration = timedelta(seconds=1)
    flush_all_on_shutdown: bool = False
    max_live_bytes: PositiveInt = 256 << 20  # ours: live spans beyond it become blocks early


class Config(Section):
    """The whole file."""

    target: Target = "all"
    http_api_prefix: str = ""
    multitenancy_enabled: bool = False
    shutdown_delay: Duration = timedelta()  # how long a process that is told to stop is not ready before it stops
    stream_over_http_enabled: bool = True  # Grafana's test of a data source needs it
    server: Server = Server()
    distributor: Distributor = Distributor()
    query_frontend: QueryFrontend = QueryFrontend()
    querier: Querier = Querier()
    ingester: Ingester = Ingester()
    compactor: Compactor = Compactor()
    storage: Storage = Storage()
    overrides: Overrides = Overrides()
    cluster: ClusterSection = ClusterSection()
    tracing: Tracing = Tracing()

    _without_effect: tuple[str, ...] = PrivateAttr(default=())
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @property
    def without_effect(self) -> tuple[str, ...]:
        """The keys of the file that Tempo has and that mean nothing here."""
        return self._without_effect

    @property
    def role(self) -> Role:
        """What this process does."""
        return ROLES[self.target]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What in the file is probably not meant."""
        return self._warnings

    def noting(self, without_effect: tuple[str, ...], warnings: tuple[str, ...]) -> Config:
        """Return the same, which knows keys that mean nothing here, and what is to be warned of."""
        self._without_effect = without_effect
        self._warnings = warnings
        return self


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
    receivers = with_otlp_addresses(config.distributor.receivers, otlp_grpc, otlp_http)
    return config.model_copy(
        update={
            "server": config.server.model_copy(update=server),
            "distributor": config.distributor.model_copy(update={"receivers": receivers}),
        }
    )


def load(path: Path, *, expand_env: bool = False, flags: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration file. Raises ConfigError with every key that is wrong.

    `${NAME}` and `${NAME:-default}` are replaced where asked for; `flags` (a tree of keys) win over the file.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        msg = f"failed parsing config: failed to read configFile {path}: {why}"
        raise ConfigError(msg) from error
    try:
        return parse(expanded(text) if expand_env else text, flags)
    except ConfigError as error:
        msg = f"failed parsing config: failed to parse configFile {path}: {error}"
        raise ConfigError(msg) from error


def parse(text: str, flags: Mapping[str, Any] | None = None) -> Config:
    """Return the configuration that a YAML text says, where no flag says otherwise. Raises ConfigError."""
    try:
        tree = yaml.compose(text, yaml.SafeLoader)
        document = yaml.safe_load(text)
        ignored = tuple(without_effect(document, Config))
        kept = without_keys(document, frozenset(ignored))
        config = Config.model_validate(_merged(kept, flags or {}))
        whole = _merged(document, flags or {})
        if refused := refusals(whole):
            raise ConfigError("\n".join(refused))
        return config.noting(ignored, tuple(warnings(whole)))
    except yaml.YAMLError as error:
        msg = f"yaml: {error}"
        raise ConfigError(msg) from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise ConfigError("\n".join(_complaint(tree, e["loc"], e["type"], e["msg"]) for e in found)) from error


def expanded(text: str) -> str:
    """Return a text with `${NAME}` and `${NAME:-default}` replaced by what the environment says."""
    return _VARIABLE.sub(lambda found: os.environ.get(found["name"]) or found["default"] or "", text)


def _merged(document: Any, flags: Mapping[str, Any]) -> Any:
    """Return a tree with some of its values replaced."""
    if not flags or not isinstance(document, dict | None):
        return document
    found = dict(document or {})
    for key, value in flags.items():
        found[key] = _merged(found.get(key), value) if isinstance(value, Mapping) else value
    return found


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
