"""What holds for a tenant now: its entry in the file of tenants, else the entry `*`, laid over the defaults.

The file is looked at again and again. One that cannot be used changes nothing, and is told by a metric and in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from tempo_dask import telemetry
from tempo_dask.config.overrides import Overrides, TenantOverrides
from tempo_dask.config.section import ConfigError, Section
from tempo_dask.ingest.limits import IngestLimits

EVERY_OTHER = "*"

log = logging.getLogger(__name__)


class _TenantFile(Section):
    overrides: Mapping[str, TenantOverrides] = Field(default_factory=dict)


@dataclass(slots=True)
class TenantSettings:
    """The settings of all tenants; `reload` looks whether the file has changed."""

    config: Overrides
    _tenants: Mapping[str, TenantOverrides] = field(default_factory=dict)
    _text: str = ""

    def load(self) -> None:
        """Read the file of tenants, where there is one. Raises ConfigError."""
        path = self.config.per_tenant_override_config
        if path is None:
            return
        text = _read(path)
        if text != self._text:
            entries = _parse(path, text)
            self._tenants = {tenant: entry.over(self.config.defaults) for tenant, entry in entries.items()}
            self._text = text
        telemetry.RELOADED.labels("overrides").set(1)

    def reload(self) -> None:
        """Read the file again; where that fails, all stays as it was."""
        try:
            self.load()
        except ConfigError as error:
            telemetry.RELOADED.labels("overrides").set(0)
            log.warning("the overrides stay as they were: %s", error)

    def of(self, tenant: str) -> TenantOverrides:
        """Return the settings of a tenant."""
        return self._tenants.get(tenant) or self._tenants.get(EVERY_OTHER) or self.config.defaults

    def ingest_limits(self, tenant: str) -> IngestLimits:
        """Return what a tenant may send."""
        return self.of(tenant).ingest_limits()

    def source(self, tenant: str) -> str:
        """Return where the settings of a tenant come from, in words."""
        if tenant in self._tenants:
            return "tenant-specific overrides"
        return "wildcard overrides" if EVERY_OTHER in self._tenants else "default overrides"

    @property
    def tenants(self) -> Mapping[str, TenantOverrides]:
        """The entries of the file."""
        return self._tenants


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read {path}: {error.strerror if isinstance(error, OSError) else error}"
        raise ConfigError(msg) from error


def _parse(path: Path, text: str) -> Mapping[str, TenantOverrides]:
    try:
        return _TenantFile.model_validate(yaml.safe_load(text)).overrides
    except (yaml.YAMLError, ValidationError) as error:
        msg = f"cannot use {path}: {error}"
        raise ConfigError(msg) from error
