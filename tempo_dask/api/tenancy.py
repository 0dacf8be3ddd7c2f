"""Whose spans a query is about: one tenant, or several joined by `|`, which no tenant's id can hold."""

from __future__ import annotations

from collections.abc import Sequence

from tempo_dask.errors import BadRequest, Unauthorized
from tempo_dask.ingest.tenants import tenant_ids


def tenants_of(values: Sequence[str]) -> str:
    """Return the tenants that `X-Scope-OrgID` names, each once, in order.

    Raises Unauthorized where it names none, BadRequest where it names a wrong one.
    """
    if not values or not values[0]:
        msg = "no org id"
        raise Unauthorized(msg)
    return "|".join(tenant_ids(values[0]))


def one_tenant_of(values: Sequence[str]) -> str:
    """Return the same where queries across tenants are off. Raises BadRequest for several."""
    tenants = tenants_of(values)
    if "|" in tenants:
        msg = "multi-tenant query unsupported"
        raise BadRequest(msg)
    return tenants
