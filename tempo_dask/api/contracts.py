"""What the API needs from the rest of the service; `service` hands it in."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from re import Pattern
from typing import Any, Protocol, TypeAlias

from tempo_dask.api.limits import RequestLimits
from tempo_dask.api.query_log import log_query
from tempo_dask.api.query_report import QueryReport
from tempo_dask.engine.explain import Explanation
from tempo_dask.engine.requests import (
    KeyValuesRequest,
    RangeRequest,
    SearchRequest,
    TagNamesRequest,
    TagValuesRequest,
    TraceRequest,
)
from tempo_dask.engine.results import (
    KeyValuesResult,
    RangeResult,
    SearchResult,
    TagNamesResult,
    TagValuesResult,
    TraceResult,
)


class QueryEngine(Protocol):
    """Answers queries. All verbs may be cancelled, and must then stop their work; errors are `TempoDaskError`s."""

    async def search(self, request: SearchRequest) -> SearchResult:
        """Return matching traces, newest first."""
        ...

    def stream_search(self, request: SearchRequest) -> AsyncIterator[SearchResult]:
        """Yield the same in parts, as they are found."""
        ...

    async def explain(self, request: SearchRequest) -> Explanation:
        """Return how a search is answered."""
        ...

    async def trace(self, request: TraceRequest) -> TraceResult:
        """Return one trace."""
        ...

    async def query_range(self, request: RangeRequest) -> RangeResult:
        """Return series over common timestamps."""
        ...

    def stream_range(self, request: RangeRequest) -> AsyncIterator[RangeResult]:
        """Yield samples of the newest intervals as they are known; each result has those before it too."""
        ...

    async def tag_names(self, request: TagNamesRequest) -> TagNamesResult:
        """Return the keys of attributes by scope."""
        ...

    def stream_tag_names(self, request: TagNamesRequest) -> AsyncIterator[TagNamesResult]:
        """Yield the same in parts, as they are found."""
        ...

    async def key_values(self, request: KeyValuesRequest) -> KeyValuesResult:
        """Return the values of a plain key as text."""
        ...

    def stream_key_values(self, request: KeyValuesRequest) -> AsyncIterator[KeyValuesResult]:
        """Yield the same in parts, as they are found."""
        ...

    async def tag_values(self, request: TagValuesRequest) -> TagValuesResult:
        """Return the typed values of an attribute."""
        ...

    def stream_tag_values(self, request: TagValuesRequest) -> AsyncIterator[TagValuesResult]:
        """Yield the same in parts, as they are found."""
        ...


class Operations(Protocol):
    """What an operator may ask of the process."""

    def not_ready(self) -> str | None:
        """Return why the service cannot take requests now, None where it can."""
        ...

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that an `Accept` header asks for, and its content type."""
        ...

    async def flush(self, tenant: str | None) -> None:
        """Make blocks of all that was acknowledged, of one tenant or of all; raises NotFound for an unknown tenant."""
        ...

    async def shutdown(self) -> None:
        """Stop taking spans in and make blocks of all there are; the process goes on and is no more ready."""
        ...


class Status(Protocol):
    """What the status pages show; texts are YAML."""

    def services(self) -> Mapping[str, str]:
        """Return the state of each part of the service."""
        ...

    def config_text(self, mode: str) -> str:
        """Return the configuration: all, what differs from the defaults (`diff`), or the `defaults`."""
        ...

    def overrides_text(self, mode: str) -> str:
        """Return the settings of tenants, or those that are not as they are for everybody (`diff`)."""
        ...

    def overridden(self) -> Sequence[str]:
        """Return the tenants with settings of their own."""
        ...

    def overrides_of(self, tenant: str) -> tuple[str, str]:
        """Return where the settings of a tenant come from, and what they are."""
        ...

    def user_overrides(self) -> Mapping[str, str]:
        """Return what the users of tenants have set, as YAML."""
        ...

    def members(self) -> Sequence[Sequence[str]]:
        """Return who shares the work: id, state, address, what it does."""
        ...


class NoStatus:
    """Nothing is known."""

    def services(self) -> Mapping[str, str]:
        """Return no parts."""
        return {}

    def config_text(self, mode: str) -> str:
        """Return an empty document."""
        return mode and ""

    overrides_text = config_text

    def overridden(self) -> Sequence[str]:
        """Return no tenants."""
        return ()

    def overrides_of(self, tenant: str) -> tuple[str, str]:
        """Return nothing."""
        return tenant and "", ""

    def user_overrides(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    def members(self) -> Sequence[Sequence[str]]:
        """Return nobody."""
        return ()


class UserOverrides(Protocol):
    """What users set for their tenant, with versions; raises NotFound, BadRequest, PreconditionFailed."""

    def get(self, tenant: str) -> tuple[dict[str, Any], str]:
        """Return what a tenant has set, and its version."""
        ...

    def merged(self, tenant: str) -> tuple[dict[str, Any], str]:
        """Return what holds for a tenant, every field written out, and the version of what it has set."""
        ...

    def put(self, tenant: str, body: bytes, if_match: str, *, despite_conflicts: bool = False) -> str:
        """Replace what a tenant has set, and return its version."""
        ...

    def patch(self, tenant: str, patch: Any, *, despite_conflicts: bool = False) -> tuple[dict[str, Any], str]:
        """Merge into what a tenant has set, and return it with its version."""
        ...

    def delete(self, tenant: str, if_match: str) -> None:
        """Forget what a tenant has set."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and its answer; sizes are those of the bodies as they were sent."""

    method: str
    route: str
    status: int
    seconds: float
    received_bytes: int
    sent_bytes: int


class Observer(Protocol):
    """Told of every request of the API; each that began ends once."""

    def began(self, method: str, route: str) -> None:
        """Note a request that runs from now on."""
        ...

    def ended(self, answered: Answered) -> None:
        """Note that it is over."""
        ...

    def called(self, tool: str) -> None:
        """Note that a language model calls a tool."""
        ...


class Unobserved:
    """Lets requests pass unnoticed."""

    def began(self, method: str, route: str) -> None:
        """Note nothing."""

    def ended(self, answered: Answered) -> None:
        """Note nothing."""

    def called(self, tool: str) -> None:
        """Note nothing."""


#: Returns whose spans a caller asks for, given the values of `X-Scope-OrgID`: one tenant, or several joined by `|`.
TenantOf: TypeAlias = Callable[[Sequence[str]], str]
#: Lets a caller pass, given the values of `Authorization`, or raises NotAuthenticated.
Authenticate: TypeAlias = Callable[[Sequence[str]], None]


def one_tenant(_values: Sequence[str]) -> str:
    """Return the only tenant there is while tenancy is off."""
    return "single-tenant"


def let_pass(_values: Sequence[str]) -> None:
    """Let everybody pass."""


@dataclass(frozen=True, slots=True)
class Api:
    """All that the handlers share; `now_ns` is the clock, nanoseconds since 1970.

    `limits` are those of `tenant`: both are right in a copy made `for_tenant`.
    """

    engine: QueryEngine
    operations: Operations
    limits: RequestLimits = field(default_factory=RequestLimits)
    observer: Observer = field(default_factory=Unobserved)
    tell: Callable[[QueryReport], None] = log_query  # of every query, when it is answered
    now_ns: Callable[[], int] = time.time_ns
    prefix: str = ""  # stands before every path that begins with /api/
    tenant: str = "single-tenant"
    version: str = ""
    status: Status = field(default_factory=NoStatus)
    overrides: UserOverrides | None = None  # None: there is no such path
    has_mcp: bool = False
    has_queries: bool = True  # whether their paths are there
    tenant_of: TenantOf = one_tenant
    authenticate: Authenticate = let_pass
    limits_of: Callable[[str], RequestLimits] | None = None
    denied_urls: tuple[Pattern[str], ...] = ()  # of queries: path and query string are searched for them
    timeout_s: float = 0.0  # for an answer over HTTP; 0 is none
    write_timeout_s: float = 30.0  # to read an answer over HTTP; 0 is none

    def for_tenant(self, values: Sequence[str]) -> Api:
        """Return the same for whom the values of `X-Scope-OrgID` name. Raises Unauthorized, BadRequest."""
        tenant = self.tenant_of(values)
        limits = self.limits if self.limits_of is None else self.limits_of(tenant)
        return replace(self, tenant=tenant, limits=limits)
