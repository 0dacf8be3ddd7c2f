"""Whose spans they are: the tenant of a request, by the values of `X-Scope-OrgID` that came with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from tempo_dask.errors import BadRequest, Unavailable

HEADER = "X-Scope-OrgID"
#: The tenant of every request where tenancy is off.
SINGLE_TENANT = "single-tenant"
LONGEST_ID = 150

_UNSUPPORTED = re.compile(r"[^a-zA-Z0-9!\-_.*'()]")

#: Returns the tenant of a request, given the values of its header. Raises BadRequest or Unavailable.
TenantOf: TypeAlias = Callable[[Sequence[str]], str]


def single_tenant(_values: Sequence[str]) -> str:
    """Return the one tenant there is where tenancy is off."""
    return SINGLE_TENANT


def tenant_of(values: Sequence[str]) -> str:
    """Return the one tenant that the header names.

    Raises Unavailable where there is no header or several (Tempo's answer, which makes clients try again), and
    BadRequest where it names no tenant, a wrong one, or more than one.
    """
    if len(values) != 1:
        msg = "no org id"
        raise Unavailable(msg)
    ids = tenant_ids(values[0])
    if len(ids) > 1:
        msg = "multiple org IDs present"
        raise BadRequest(msg)
    return ids[0]


def tenant_ids(value: str) -> list[str]:
    """Return the tenants that a header names, each once, in order. Raises BadRequest where one is wrong."""
    ids = sorted({part.partition(":")[0] for part in value.split("|")})
    for tenant in ids:
        _require_valid(tenant)
    return ids


def _require_valid(tenant: str) -> None:
    if not tenant:
        msg = "no org id"
    elif found := _UNSUPPORTED.search(tenant):
        msg = f"tenant ID '{tenant}' contains unsupported character '{found.group()}'"
    elif len(tenant) > LONGEST_ID:
        msg = f"tenant ID is too long: max {LONGEST_ID} characters"
    elif tenant in (".", ".."):
        msg = "tenant ID is '.' or '..'"
    else:
        return
    raise BadRequest(msg)
