"""What a configuration says that cannot be meant: refused or warned of, also where a key has no effect here.

A file that Tempo would refuse is refused; one that Tempo warns of is warned of, and `-config.verify` then ends with an
error. So a file that was checked here can be given to Tempo.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from tempo_dask.config.section import parse_duration

Tree: TypeAlias = Mapping[str, Any]
#: Yields what it finds wrong.
Check: TypeAlias = Callable[["Settings"], Iterator[str]]

_BLOCK_VERSION = re.compile(r"v2|vParquet\d+(-preview\d*)?")
_ROLES = frozenset(
    {
        "bloom",
        "trace-id-index",
        "parquet-footer",
        "parquet-column-idx",
        "parquet-offset-idx",
        "parquet-page",
        "frontend-search",
    }
)
_MOST_DEDICATED = 10
_OVERRIDES = frozenset(
    {"defaults", "per_tenant_override_config", "per_tenant_override_period", "user_configurable_overrides"}
)


class Settings:
    """The keys of a file and what they have where it leaves them out."""

    def __init__(self, tree: Any) -> None:
        self._tree: Tree = tree if isinstance(tree, Mapping) else {}

    def at(self, path: str, default: Any = None) -> Any:
        """Return the value at a path of keys."""
        found: Any = self._tree
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
            if found is None:
                return default
        return found

    def seconds(self, path: str, default: str) -> float:
        """Return a duration; what is none is as good as not there, and is refused where its key is read."""
        try:
            found = parse_duration(self.at(path, default))
        except ValueError:
            found = None
        return found.total_seconds() if isinstance(found, timedelta) else float("nan")

    def number(self, path: str, default: int) -> float:
        """Return a number, NaN for what is none."""
        found = self.at(path, default)
        return float(found) if isinstance(found, int | float) else float("nan")


def refusals(tree: Any) -> Sequence[str]:
    """Return why a file cannot be used."""
    settings = Settings(tree)
    return [text for check in _REFUSALS for text in check(settings)]


def warnings(tree: Any) -> Sequence[str]:
    """Return what is probably not meant."""
    settings = Settings(tree)
    return [text for check in _WARNINGS for text in check(settings)]


def _windows(settings: Settings) -> Iterator[str]:
    search = "query_frontend.search"
    backend_after_s = settings.seconds(f"{search}.query_backend_after", "15m")
    if settings.seconds(f"{search}.query_ingesters_until", "30m") < backend_after_s:
        yield "query backend after should be less than or equal to query ingester until"
    if settings.seconds("query_frontend.query_end_cutoff", "0s") > backend_after_s:
        yield "query end cutoff should be less than or equal to query backend after"


def _jobs(settings: Settings) -> Iterator[str]:
    for section in ("search", "metrics"):
        for key, default in (("concurrent_jobs", 1000), ("target_bytes_per_job", 104_857_600)):
            if settings.number(path := f"query_frontend.{section}.{key}", default) <= 0:
                yield f"{path} should be greater than 0"
    if settings.seconds("query_frontend.metrics.interval", "5m") <= 0:
        yield "query_frontend.metrics.interval should be greater than 0"


def _block_version(settings: Settings) -> Iterator[str]:
    version = settings.at("storage.trace.block.version", "vParquet4")
    if not _BLOCK_VERSION.fullmatch(str(version)):
        yield f"storage.trace.block.version: {version} is not a valid block version"


def _caches(settings: Settings) -> Iterator[str]:
    claimed: set[str] = set()
    for cache in _mappings(settings.at("cache.caches")):
        if cache.get("memcached") is not None and cache.get("redis") is not None:
            yield "cache.caches: cache config for both memcached and redis: a cache is one of them"
        for role in cache.get("roles") or ():
            if role not in _ROLES:
                yield f"cache.caches: {role} is not a known role"
            elif role in claimed:
                yield f"cache.caches: role {role} is claimed more than once"
            claimed.add(role)


def _polls(settings: Settings) -> Iterator[str]:
    poll_s = settings.seconds("storage.trace.blocklist_poll", "5m")
    if settings.seconds("ingester.complete_block_timeout", "15m") < poll_s:
        yield "ingester.complete_block_timeout < storage.trace.blocklist_poll: blocks may be missed between the two"
    if settings.seconds("compactor.compaction.block_retention", "336h") < poll_s:
        yield "compactor.compaction.block_retention < storage.trace.blocklist_poll: blocks may go while they are listed"
    for path, default in (
        ("compactor.compaction.retention_concurrency", 10),
        ("storage.trace.blocklist_poll_concurrency", 50),
    ):
        if settings.number(path, default) == 0:
            yield f"{path} is 0"


def _local_backend(settings: Settings) -> Iterator[str]:
    target = settings.at("target", "all")
    if target != "all" and settings.at("storage.trace.backend", "local") == "local":
        yield f"storage.trace.backend is local while target is {target}: others do not see its blocks"


def _switched_on(settings: Settings) -> Iterator[str]:
    for key in ("log_received_spans", "log_discarded_spans"):
        if settings.at(f"distributor.{key}.enabled", False):
            yield f"distributor.{key} is enabled: this may log a lot"
    if settings.at("query_frontend.mcp_server.enabled", False):
        yield "query_frontend.mcp_server is enabled: what it answers may be sent to a language model"


def _dedicated_columns(settings: Settings) -> Iterator[str]:
    path = "storage.trace.block.parquet_dedicated_columns"
    columns = [(c.get("scope"), c.get("name")) for c in _mappings(settings.at(path))]
    if any(scope not in ("span", "resource") or not name for scope, name in columns) or len(columns) > len({*columns}):
        yield f"{path}: invalid dedicated columns: each has a name of its own, and the scope span or resource"
    for scope in ("span", "resource"):
        if sum(one == scope for one, _ in columns) > _MOST_DEDICATED:
            yield f"{path}: invalid dedicated columns: at most {_MOST_DEDICATED} of the scope {scope}"


def _old_keys(settings: Settings) -> Iterator[str]:
    overrides = settings.at("overrides", {})
    if isinstance(overrides, Mapping) and not overrides.keys() <= _OVERRIDES:
        yield "overrides have the flat names of old: they belong below `defaults`, in sections"
    for key in ("cache", "background_cache", "memcached", "redis"):
        if settings.at(f"storage.trace.{key}") is not None:
            yield f"storage.trace.{key} is deprecated: caches belong below `cache`"
    for section in ("compactor.compaction", "storage.trace.block", "storage.trace.wal"):
        found = settings.at(section, {})
        for key in found if isinstance(found, Mapping) else ():
            if key.startswith("v2_") or key == "search_encoding":
                yield f"{section}.{key} is of blocks of version 2 alone"


def _one_place(settings: Settings) -> Iterator[str]:
    users = "overrides.user_configurable_overrides"
    if settings.at(f"{users}.enabled", False) and _place(settings, "storage.trace") == _place(
        settings, f"{users}.client"
    ):
        yield f"{users}.client and storage.trace are the same place: give one of them a path or prefix of its own"


def _place(settings: Settings, section: str) -> tuple[Any, ...]:
    backend = settings.at(f"{section}.backend", "local")
    names = ("path", "endpoint", "bucket", "bucket_name", "storage_account_name", "container_name", "prefix")
    found = tuple(settings.at(f"{section}.{backend}.{name}", "") for name in names)
    return (backend, *(found if any(found) else (section,)))


def _shards(settings: Settings) -> Iterator[str]:
    by_id = "query_frontend.trace_by_id"
    if settings.number(f"{by_id}.concurrent_shards", 0) > settings.number(f"{by_id}.query_shards", 50):
        yield f"{by_id}.concurrent_shards > {by_id}.query_shards"


def _mappings(value: Any) -> Sequence[Tree]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


_REFUSALS: tuple[Check, ...] = (_windows, _jobs, _block_version, _caches)
_WARNINGS: tuple[Check, ...] = (
    _polls, _local_backend, _switched_on, _dedicated_columns, _old_keys, _one_place, _shards,
)  # fmt: skip
