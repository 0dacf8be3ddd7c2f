"""The command line as Tempo's users know it: `tempo-dask -config.file=tempo.yaml -target=all`.

Flags have one dash (or two) and a name with dots; they win over the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from tempo_dask.errors import TempoDaskError

#: Flag -> the key of the configuration that it sets.
_KEYS: Mapping[str, str] = {
    "target": "target",
    "multitenancy.enabled": "multitenancy_enabled",
    "auth.enabled": "multitenancy_enabled",
    "http-api-prefix": "http_api_prefix",
    "shutdown-delay": "shutdown_delay",
    "server.http-listen-address": "server.http_listen_address",
    "server.http-listen-port": "server.http_listen_port",
    "server.grpc-listen-address": "server.grpc_listen_address",
    "server.grpc-listen-port": "server.grpc_listen_port",
    "log.level": "server.log_level",
    "log.format": "server.log_format",
    "storage.trace.backend": "storage.trace.backend",
    "storage.trace.wal.path": "storage.trace.wal.path",
    "storage.trace.local.path": "storage.trace.local.path",
    "storage.trace.s3.bucket": "storage.trace.s3.bucket",
    "storage.trace.s3.endpoint": "storage.trace.s3.endpoint",
    "storage.trace.s3.access_key": "storage.trace.s3.access_key",
    "storage.trace.s3.secret_key": "storage.trace.s3.secret_key",
    "storage.trace.s3.insecure": "storage.trace.s3.insecure",
    "storage.trace.blocklist_poll": "storage.trace.blocklist_poll",
    "ingester.max-block-duration": "ingester.max_block_duration",
    "ingester.max-block-bytes": "ingester.max_block_bytes",
    "ingester.flush-check-period": "ingester.flush_check_period",
    "ingester.flush-all-on-shutdown": "ingester.flush_all_on_shutdown",
    "ingester.max-traces-per-user": "overrides.defaults.ingestion.max_traces_per_user",
    "ingester.max-bytes-per-trace": "overrides.defaults.global.max_bytes_per_trace",
    "distributor.rate-limit-strategy": "overrides.defaults.ingestion.rate_strategy",
    "distributor.ingestion-rate-limit-bytes": "overrides.defaults.ingestion.rate_limit_bytes",
    "distributor.ingestion-burst-size-bytes": "overrides.defaults.ingestion.burst_size_bytes",
    "compactor.compaction.block-retention": "compactor.compaction.block_retention",
    "config.per-user-override-config": "overrides.per_tenant_override_config",
    "config.per-user-override-period": "overrides.per_tenant_override_period",
}
#: Taken, and without effect.
_WITHOUT_EFFECT = frozenset(
    {
        "memberlist.host-port",
        "memberlist.bind-port",
        "ingester.trace-idle-period",
        "ingester.complete-block-timeout",
        "querier.frontend-address",
        "mutex-profile-fraction",
        "block-profile-threshold",
    }
)
_OWN = ("config.file", "config.expand-env", "config.verify", "version")
_SWITCHES = frozenset({"config.expand-env", "config.verify", "version", "multitenancy.enabled", "auth.enabled"})


class UnknownFlag(TempoDaskError):
    """There is no such flag."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What a command line says; `values` is a tree of keys of the configuration."""

    file: Path | None = None
    expand_env: bool = False
    verify: bool = False
    version: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    without_effect: tuple[str, ...] = ()


def is_flags(arguments: Sequence[str]) -> bool:
    """Return whether these are flags and no sub-command of ours."""
    names = (*_KEYS, *_WITHOUT_EFFECT, *_OWN)
    return bool(arguments) and arguments[0].startswith("-") and arguments[0].lstrip("-").partition("=")[0] in names


def read_flags(arguments: Sequence[str]) -> Flags:
    """Return what the flags say. Raises UnknownFlag."""
    own: dict[str, str] = {}
    values: dict[str, Any] = {}
    ignored: list[str] = []
    for name, text in _pairs(arguments):
        if name in _OWN:
            own[name] = text
        elif name in _KEYS:
            _set(values, _KEYS[name].split("."), yaml.safe_load(text))
        else:
            ignored.append(name)
    return Flags(
        file=Path(own["config.file"]) if "config.file" in own else None,
        expand_env=_is_on(own, "config.expand-env"),
        verify=_is_on(own, "config.verify"),
        version=_is_on(own, "version"),
        values=values,
        without_effect=tuple(ignored),
    )


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    waiting = iter(arguments)
    for argument in waiting:
        name, has_value, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or name not in (*_KEYS, *_WITHOUT_EFFECT, *_OWN):
            raise UnknownFlag(_unknown(argument, name))
        yield name, value if has_value else "true" if name in _SWITCHES else next(waiting, "")


def _unknown(argument: str, name: str) -> str:
    if not argument.startswith("-"):
        return f"{argument!r} is no flag; flags look like -config.file=tempo.yaml"
    close = get_close_matches(name, (*_KEYS, *_WITHOUT_EFFECT, *_OWN), n=1)
    hint = f"; did you mean -{close[0]}?" if close else ""
    return f"flag provided but not defined: -{name}{hint}"


def _is_on(flags: Mapping[str, str], name: str) -> bool:
    return flags.get(name, "false").lower() in ("true", "1", "t")


def _set(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value
