"""The section `overrides`, and the entries of the file of tenants: both styles of Tempo's names.

An entry is laid over the defaults: what it does not mention is as for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, model_validator

from tempo_dask.config.section import Duration, Section
from tempo_dask.config.storage import TraceStorage
from tempo_dask.ingest.limits import IngestLimits


class Ingestion(Section):
    """`ingestion`: what a tenant may send."""

    rate_strategy: Literal["local", "global"] = "local"
    rate_limit_bytes: NonNegativeFloat | None = None
    burst_size_bytes: NonNegativeInt = 0
    max_traces_per_user: NonNegativeInt = 0
    max_global_traces_per_user: NonNegativeInt = 0  # taken, and without effect: there is one process for a tenant
    tenant_shard_size: NonNegativeInt = 0  # the same
    max_attribute_bytes: NonNegativeInt = 0
    artificial_delay: Duration = timedelta()
    retry_info_enabled: bool = True


class Read(Section):
    """`read`: what a tenant may ask."""

    max_bytes_per_tag_values_query: NonNegativeInt = 0
    max_blocks_per_tag_values_query: NonNegativeInt = 0
    max_search_duration: Duration = timedelta()
    max_metrics_duration: Duration = timedelta()
    unsafe_query_hints: bool = False


class Compaction(Section):
    """`compaction`: how long a tenant's blocks are kept."""

    block_retention: Duration = timedelta()
    compaction_window: Duration = timedelta()
    compaction_disabled: bool = False


class Global(Section):
    """`global`."""

    max_bytes_per_trace: NonNegativeInt = 0


_SECTIONS = ("ingestion", "read", "compaction", "global")
#: Sections of what is not done here: they are taken as they are.
_TAKEN = ("metrics_generator", "forwarders", "storage", "cost_attribution")
#: The flat names of old, and where they stand now; the others have the name of their section before them.
_LEGACY = {
    "max_traces_per_user": ("ingestion", "max_traces_per_user"),
    "max_global_traces_per_user": ("ingestion", "max_global_traces_per_user"),
    "max_bytes_per_trace": ("global", "max_bytes_per_trace"),
    "block_retention": ("compaction", "block_retention"),
    "compaction_window": ("compaction", "compaction_window"),
    "compaction_disabled": ("compaction", "compaction_disabled"),
    **{name: ("read", name) for name in Read.model_fields},
}


class TenantOverrides(Section):
    """All settings of a tenant."""

    ingestion: Ingestion = Ingestion()
    read: Read = Read()
    compaction: Compaction = Compaction()
    global_: Global = Global()
    taken: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _in_sections(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.keys().isdisjoint(cls.model_fields.keys() - set(_SECTIONS)):
            return data
        found: dict[str, Any] = {"taken": {}}
        for key, value in (sectioned(data) if is_legacy(data) else data).items():
            if key in _TAKEN:
                found["taken"][key] = value
            else:
                found["global_" if key == "global" else key] = value
        return found

    def over(self, defaults: TenantOverrides) -> TenantOverrides:
        """Return the defaults with what is set here."""
        tree = defaults.model_dump(exclude_unset=True)
        for section, settings in self.model_dump(exclude_unset=True).items():
            tree[section] = {**tree.get(section, {}), **settings}
        return TenantOverrides.model_validate(tree)

    def ingest_limits(self) -> IngestLimits:
        """Return what the tenant may send."""
        ingestion = self.ingestion
        return IngestLimits(
            rate_limit_bytes=ingestion.rate_limit_bytes,
            burst_size_bytes=ingestion.burst_size_bytes,
            rate_strategy=ingestion.rate_strategy,
            max_traces_per_user=ingestion.max_traces_per_user,
            max_bytes_per_trace=self.global_.max_bytes_per_trace,
            max_attribute_bytes=ingestion.max_attribute_bytes,
            retry_info_enabled=ingestion.retry_info_enabled,
            artificial_delay_s=ingestion.artificial_delay.total_seconds(),
        )


def is_legacy(block: Mapping[str, Any]) -> bool:
    """Return whether the settings have their flat names of old."""
    return bool(block) and not any(key in block for key in (*_SECTIONS, *_TAKEN))


def sectioned(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with flat names as sections; a name that is not known stays, and is refused later."""
    found: dict[str, Any] = {}
    for key, value in block.items():
        section, _, name = key.partition("_")
        if key in _LEGACY:
            section, name = _LEGACY[key]
        if section == "ingestion" or key in _LEGACY:
            found.setdefault(section, {})[name] = value
        elif key.startswith("metrics_generator_"):
            found.setdefault("metrics_generator", {})[key.removeprefix("metrics_generator_")] = value
        else:
            found[key] = value
    return found


class UserClient(TraceStorage):
    """`client`: an object store, as `storage.trace` has it."""

    confirm_versioning: bool = True


class UserApi(Section):
    """`api`: whether users may change what the settings of their tenant speak of."""

    check_for_conflicting_runtime_overrides: bool = False


class UserConfigurable(Section):
    """`user_configurable_overrides`: what users may set through the API; `client` says where it is kept."""

    enabled: bool = False
    poll_interval: Duration = timedelta(minutes=1)
    client: UserClient = UserClient()
    api: UserApi = UserApi()


class Overrides(Section):
    """`overrides`: the defaults of all tenants, and where the file of tenants is."""

    defaults: TenantOverrides = TenantOverrides()
    per_tenant_override_config: Path | None = None
    per_tenant_override_period: Duration = timedelta(seconds=10)
    user_configurable_overrides: UserConfigurable = UserConfigurable()

    @model_validator(mode="before")
    @classmethod
    def _legacy_defaults(cls, data: Any) -> Any:
        """Gather the defaults where they have their flat names of old, beside the keys of the section."""
        if not isinstance(data, dict):
            return data
        own = {key: value for key, value in data.items() if key in cls.model_fields}
        flat = {key: value for key, value in data.items() if key not in cls.model_fields}
        if not flat:
            return data
        if "defaults" in own:
            msg = f"`defaults` and the flat names of old cannot be mixed: {', '.join(sorted(flat))}"
            raise ValueError(msg)
        return {**own, "defaults": flat}
