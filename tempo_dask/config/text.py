"""The configuration as text: all of it, or what differs from the defaults; secrets are not shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeAlias

import yaml

from tempo_dask.config.file import Config
from tempo_dask.config.overrides import TenantOverrides
from traceql.durations import format_duration

Tree: TypeAlias = dict[str, Any]

MASK = "********"
_SECRETS = frozenset({"secret_key", "session_token", "storage_account_key", "password", "bearer_token", "sas_token"})


def config_text(config: Config, mode: str = "") -> str:
    """Return YAML of the configuration, of what differs from the defaults, or of the defaults."""
    defaults = _tree(Config().model_dump())
    if mode == "defaults":
        return to_yaml(defaults)
    tree = _tree(config.model_dump())
    return to_yaml(_difference(tree, defaults) if mode == "diff" else tree)


def settings_text(settings: TenantOverrides, *, diff: bool = False) -> Tree:
    """Return the settings of a tenant, or those that are not as they are for everybody."""
    tree = _tree(settings.model_dump())
    found = _difference(tree, _tree(TenantOverrides().model_dump())) if diff else tree
    found.update(found.pop("taken", {}))
    return {key.removesuffix("_"): value for key, value in found.items()}


def to_yaml(tree: Tree) -> str:
    """Return a tree as YAML, keys in the order of the configuration."""
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, indent=4)


def _tree(section: Mapping[str, Any]) -> Tree:
    return {key: MASK if key in _SECRETS and value else _plain(value) for key, value in section.items()}


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return _tree(value)
        case timedelta():
            return format_duration(value // timedelta(microseconds=1) * 1000)
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case str() | bool() | int() | float() | None:
            return value
    return str(value)


def _difference(tree: Tree, defaults: Tree) -> Tree:
    found: Tree = {}
    for key, value in tree.items():
        usual = defaults.get(key)
        if isinstance(value, dict) and isinstance(usual, dict):
            if below := _difference(value, usual):
                found[key] = below
        elif value != usual:
            found[key] = value
    return found
