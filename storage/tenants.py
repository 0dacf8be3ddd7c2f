"""Names of tenants. They are the first segment of every key, so a bad one must not get as far as a store."""

from __future__ import annotations

import re

from storage.errors import StorageError

MAX_TENANT_BYTES = 150
_UNSUPPORTED = re.compile(r"[^0-9A-Za-z!_.*'()-]")


class InvalidTenant(StorageError):
    """A name that no tenant can have; the message is what a client is told."""


def check_tenant(tenant: str) -> str:
    """Return the name of a tenant, which is 1 to 150 letters, digits and `!-_.*'()`. Raises InvalidTenant."""
    if not tenant:
        msg = "no org id"
        raise InvalidTenant(msg)
    if bad := _UNSUPPORTED.search(tenant):
        msg = f"tenant ID '{tenant}' contains unsupported character '{bad[0]}'"
        raise InvalidTenant(msg)
    if len(tenant) > MAX_TENANT_BYTES:
        msg = f"tenant ID is too long: max {MAX_TENANT_BYTES} characters"
        raise InvalidTenant(msg)
    if tenant in {".", ".."}:
        msg = "tenant ID is '.' or '..'"
        raise InvalidTenant(msg)
    return tenant


def is_tenant(name: str) -> bool:
    """Return whether a name is one that a tenant can have."""
    try:
        return bool(check_tenant(name))
    except InvalidTenant:
        return False
