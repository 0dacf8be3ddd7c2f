"""Overrides that users set themselves, through the API: one object of JSON per tenant.

They speak of the metrics-generator and of forwarders, which do not exist here: they are checked, kept and given back,
so that who manages Tempo by this API can manage this service too.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

from storage.object_store import ObjectMissing, ObjectStore
from tempo_dask.errors import BadRequest, NotFound, PreconditionFailed
from tempo_dask.user_overrides_check import check, normal

Tree: TypeAlias = dict[str, Any]

#: What a store of local files answers for every version, as Tempo's does.
NO_VERSION = "0"


class UserOverrides:
    """The objects of all tenants. A store without versions takes every `If-Match`."""

    def __init__(self, store: ObjectStore, *, has_versions: bool) -> None:
        self._store = store
        self._has_versions = has_versions
        self._changing = threading.Lock()

    def get(self, tenant: str) -> tuple[Tree, str]:
        """Return what a tenant has set, and its version. Raises NotFound."""
        try:
            body = self._store.get(_key(tenant))
        except ObjectMissing as error:
            msg = f"tenant {tenant} has set nothing"
            raise NotFound(msg) from error
        found: Tree = orjson.loads(body)
        return found, self._version(body)

    def put(self, tenant: str, body: bytes, if_match: str) -> str:
        """Store what a tenant sets and return its version. Raises BadRequest, PreconditionFailed."""
        limits = read_limits(body)
        with self._changing:
            self._require_version(tenant, if_match)
            return self._put(tenant, limits)

    def patch(self, tenant: str, patch: Any) -> tuple[Tree, str]:
        """Apply a merge patch to what a tenant has set (RFC 7396), and return it with its version."""
        if not isinstance(patch, dict):
            msg = f"expect {{ or n, but found {orjson.dumps(patch)[:1].decode()}"
            raise BadRequest(msg)
        with self._changing:
            merged = merge_patch(self._known(tenant), patch)
            check(merged)
            version = self._put(tenant, merged)
        return normal(merged), version

    def delete(self, tenant: str, if_match: str) -> None:
        """Forget what a tenant has set. Raises NotFound where the store tells, PreconditionFailed."""
        with self._changing:
            if self._has_versions:
                self.get(tenant)
            self._require_version(tenant, if_match)
            self._store.delete(_key(tenant))

    def _known(self, tenant: str) -> Tree:
        try:
            return self.get(tenant)[0]
        except NotFound:
            return {}

    def _put(self, tenant: str, limits: Tree) -> str:
        body = orjson.dumps(normal(limits))
        self._store.put(_key(tenant), body)
        self._store.sync([_key(tenant)])
        return self._version(body)

    def _require_version(self, tenant: str, if_match: str) -> None:
        if not self._has_versions:
            return
        try:
            found = self.get(tenant)[1]
        except NotFound:
            found = NO_VERSION
        if if_match != found:
            msg = "version does not match"
            raise PreconditionFailed(msg)

    def _version(self, body: bytes) -> str:
        return str(zlib.crc32(body) or 1) if self._has_versions else NO_VERSION


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


def _key(tenant: str) -> str:
    return f"overrides/{tenant}/overrides.json"
