"""What the status pages show of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tempo_dask.config.file import Config
from tempo_dask.config.text import config_text, settings_text, to_yaml
from tempo_dask.overrides.tenants import TenantSettings

#: Instance, state, address, what it does.
Member = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the parts of the service, and what they are configured to do."""

    config: Config
    settings: TenantSettings
    not_ready: Callable[[], str | None]
    node: str
    workers: Callable[[], Sequence[Member]] = tuple
    set_by_users: Callable[[], Mapping[str, Mapping[str, Any]]] = dict

    def services(self) -> Mapping[str, str]:
        """Return the state of each part."""
        state = "Running" if self.not_ready() is None else "Stopping"
        role = self.config.role
        of_role = {
            ("distributor", "ingester"): role.ingests,
            ("overrides", "server", "store"): True,
            ("querier", "query-frontend"): role.queries,
        }
        parts = sorted(part for names, is_run in of_role.items() if is_run for part in names)
        disabled = self.config.compactor.disabled or not role.maintains
        return {**dict.fromkeys(parts, state), "compactor": "Disabled" if disabled else state}

    def config_text(self, mode: str) -> str:
        """Return the configuration as YAML: all, what differs from the defaults (`diff`), or the `defaults`."""
        return config_text(self.config, mode)

    def overrides_text(self, mode: str) -> str:
        """Return the defaults of all tenants and the entries of the file, as YAML."""
        diff = mode == "diff"
        tenants = {name: settings_text(settings, diff=diff) for name, settings in self.settings.tenants.items()}
        defaults = settings_text(self.settings.config.defaults, diff=diff)
        tree = {key: value for key, value in (("defaults", defaults), ("overrides", tenants)) if value or not diff}
        return f"{to_yaml(tree)}---\n{to_yaml({'user_configurable_overrides': dict(self.set_by_users())})}"

    def overridden(self) -> Sequence[str]:
        """Return the tenants that have an entry of their own."""
        return sorted(self.settings.tenants)

    def overrides_of(self, tenant: str) -> tuple[str, str]:
        """Return where the settings of a tenant come from, and what they are, as YAML."""
        return self.settings.source(tenant), to_yaml(settings_text(self.settings.of(tenant)))

    def user_overrides(self) -> Mapping[str, str]:
        """Return what the users of tenants have set, as YAML."""
        return {tenant: to_yaml(dict(limits)) for tenant, limits in self.set_by_users().items()}

    def members(self) -> Sequence[Member]:
        """Return this process and the workers that it knows of."""
        state = "ACTIVE" if self.not_ready() is None else "LEAVING"
        server = self.config.server
        address = f"{server.http_listen_address or '0.0.0.0'}:{server.http_listen_port}"  # noqa: S104  # shown, not bound
        role = self.config.role
        does = {"ingest": role.ingests, "query": role.queries, "compact": role.maintains}
        return [(self.node, state, address, ", ".join(name for name, is_so in does.items() if is_so)), *self.workers()]
