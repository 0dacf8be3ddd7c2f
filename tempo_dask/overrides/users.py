"""Overrides that users set themselves, through the API: one object of JSON per tenant.

They speak of the metrics-generator and of forwarders, which do not exist here: they are checked, kept and given back,
so that who manages Tempo by this API can manage this service too. Every process looks again for what others stored, and
shows it on its status pages and in the merged view.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson
from prometheus_client import Counter

from storage.errors import StorageError
from storage.object_store import ObjectMissing, ObjectStore
from tempo_dask.errors import BadRequest, NotFound, PreconditionFailed, QueryFailed
from tempo_dask.overrides.users_check import check, normal
from tempo_dask.overrides.users_effect import conflicts, merged
from tempo_dask.overrides.users_store import Stored, UserOverridesStore
from tempo_dask.telemetry import REGISTRY

Tree: TypeAlias = dict[str, Any]

#: What a store of local files answers for every version, as Tempo's does; elsewhere the version of nothing.
NO_VERSION = "0"
#: How often a change is made again on top of another one, where versions are not told.
ATTEMPTS = 20

_CONFLICT = (
    "tenant has conflicting overrides set in runtime config, contact your system administrator to perform changes "
    "through the API"
)
_MODIFIED = "overrides have been modified during request processing, try again"

_NAME = "tempo_overrides_user_configurable_overrides"
LISTS = Counter(f"{_NAME}_list", "Times that all tenants were listed.", registry=REGISTRY)
FETCHES = Counter(f"{_NAME}_fetch", "Objects that were read.", registry=REGISTRY)
FAILED_FETCHES = Counter(f"{_NAME}_fetch_failed", "Objects that could not be read.", registry=REGISTRY)
FAILED_RELOADS = Counter(f"{_NAME}_reload_failed", "Times that not all could be read.", registry=REGISTRY)

log = logging.getLogger(__name__)


def nothing_set(_tenant: str) -> Mapping[str, Any]:
    """Return no settings."""
    return {}


class UserOverrides:
    """What all tenants have set. A store without versions takes every `If-Match`.

    `runtime_of` returns what the settings of a tenant say of the metrics-generator, forwarders and cost attribution;
    with `refuses_conflicts` users cannot change the overrides of a tenant for whom those say something.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        has_versions: bool,
        runtime_of: Callable[[str], Mapping[str, Any]] = nothing_set,
        refuses_conflicts: bool = False,
    ) -> None:
        self._store = UserOverridesStore(store)
        self._has_versions = has_versions
        self._runtime_of = runtime_of
        self._refuses_conflicts = refuses_conflicts
        self._seen: dict[str, Stored] = {}

    def get(self, tenant: str) -> tuple[Tree, str]:
        """Return what a tenant has set, and its version. Raises NotFound."""
        found = self._store.newest(tenant)
        if found.limits is None:
            msg = f"tenant {tenant} has set nothing"
            raise NotFound(msg)
        return found.limits, self._version(found)

    def merged(self, tenant: str) -> tuple[Tree, str]:
        """Return what holds for a tenant as of the last look, and the version stored. Raises NotFound."""
        _, version = self.get(tenant)
        return merged(self.seen().get(tenant, {}), self._runtime_of(tenant)), version

    def seen(self) -> Mapping[str, Tree]:
        """Return what tenants have set as of the last look."""
        return {tenant: stored.limits for tenant, stored in list(self._seen.items()) if stored.limits is not None}

    def put(self, tenant: str, body: bytes, if_match: str, *, despite_conflicts: bool = False) -> str:
        """Store what a tenant sets and return its version. Raises BadRequest, PreconditionFailed."""
        limits = read_limits(body)
        self._require_no_conflict(tenant, despite_conflicts)
        return self._version(self._replace(tenant, if_match, normal(limits)))

    def patch(self, tenant: str, patch: Any, *, despite_conflicts: bool = False) -> tuple[Tree, str]:
        """Apply a merge patch to what a tenant has set (RFC 7396), and return it with its version.

        Raises BadRequest, QueryFailed where somebody else changed it at the same time.
        """
        if not isinstance(patch, dict):
            msg = f"expect {{ or n, but found {orjson.dumps(patch)[:1].decode()}"
            raise BadRequest(msg)
        self._require_no_conflict(tenant, despite_conflicts)
        for _ in range(1 if self._has_versions else ATTEMPTS):
            known = self._store.newest(tenant)
            limits = merge_patch(known.limits or {}, patch)
            check(limits)
            if stored := self._follow(tenant, known, normal(limits)):
                return normal(limits), self._version(stored)
        raise QueryFailed(_MODIFIED)

    def delete(self, tenant: str, if_match: str) -> None:
        """Forget what a tenant has set. Raises NotFound where the store tells, PreconditionFailed."""
        if self._has_versions:
            self.get(tenant)
        elif self._store.newest(tenant).limits is None:
            return
        self._replace(tenant, if_match, None)

    def poll(self) -> None:
        """Look for what was stored since the last look. Raises StorageError; what is known stays."""
        LISTS.inc()
        try:
            numbers = self._store.numbers()
            for tenant, number in numbers.items():
                self._look(tenant, number)
        except StorageError:
            FAILED_RELOADS.inc()
            raise

    def _look(self, tenant: str, number: int) -> None:
        known = self._seen.get(tenant)
        if known is not None and known.number >= number:
            return
        FETCHES.inc()
        try:
            self._seen[tenant] = self._store.read(tenant, number)
        except ObjectMissing:
            self._seen[tenant] = self._store.newest(tenant)
        except StorageError:
            FAILED_FETCHES.inc()
            raise

    def _replace(self, tenant: str, if_match: str, limits: Tree | None) -> Stored:
        """Store something in place of what the client knows. Raises PreconditionFailed."""
        for _ in range(1 if self._has_versions else ATTEMPTS):
            known = self._store.newest(tenant)
            self._require_version(known, if_match)
            if stored := self._follow(tenant, known, limits):
                return stored
        msg = "version does not match"
        raise PreconditionFailed(msg)

    def _follow(self, tenant: str, known: Stored, limits: Tree | None) -> Stored | None:
        stored = self._store.follow(tenant, known, limits)
        if stored is not None:
            self._seen[tenant] = stored
        return stored

    def _require_version(self, known: Stored, if_match: str) -> None:
        if self._has_versions and if_match != self._version(known):
            msg = "version does not match" if if_match.isdigit() else "version is not valid"
            raise PreconditionFailed(msg)

    def _require_no_conflict(self, tenant: str, despite_conflicts: bool) -> None:
        if self._refuses_conflicts and not despite_conflicts and conflicts(self._runtime_of(tenant)):
            raise BadRequest(_CONFLICT)

    def _version(self, stored: Stored) -> str:
        return str(stored.number) if self._has_versions and stored.limits is not None else NO_VERSION


def read_limits(body: bytes) -> Tree:
    """Return the limits in a body; nothing is an empty object, and what follows it is not looked at."""
    try:
        limits = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        limits = _first_object(body, error)
    if limits is None:
        return {}
    if not isinstance(limits, dict):
        msg = f"expect {{ or n, but found {body.strip()[:1].decode(errors='replace')}"
        raise BadRequest(msg)
    check(limits)
    return limits


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch: null removes, objects merge, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _first_object(body: bytes, error: orjson.JSONDecodeError) -> Any:
    """Return the object that a body begins with, where text follows it."""
    if not body.strip():
        msg = "EOF"
        raise BadRequest(msg) from error
    end = len(body.decode(errors="replace")[: error.pos].encode())
    try:
        return orjson.loads(body[:end])
    except orjson.JSONDecodeError:
        raise BadRequest(str(error)) from error
