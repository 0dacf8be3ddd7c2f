"""What is told of a query when it is answered: for the log, for metrics, and for traces of our own."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias

from tempo_dask.engine.results import QueryMetrics

#: What kind of question a query is, as metrics have it; empty for those that are none of Tempo's.
Operation: TypeAlias = Literal["traces", "search", "metadata", "metrics", ""]

CLIENT_LEFT = 499

#: By how the route begins, first match; routes of gRPC end in the name of their method.
_OPERATIONS: tuple[tuple[str, Operation], ...] = (
    ("api_traces", "traces"),
    ("api_v2_traces", "traces"),
    ("api_search_tag", "metadata"),
    ("api_v2_search_tag", "metadata"),
    ("api_search", "search"),
    ("api_metrics", "metrics"),
    ("/tempopb.StreamingQuerier/SearchTag", "metadata"),
    ("/tempopb.StreamingQuerier/Search", "search"),
    ("/tempopb.StreamingQuerier/Metrics", "metrics"),
)


@dataclass(frozen=True, slots=True)
class QueryReport:
    """A query and how it ended.

    `path` holds the parameters too. `status` is HTTP's, also of a stream. Times are nanoseconds since 1970 and seconds;
    `sent_bytes` counts the answer as it was sent; `traceparent` is the caller's span, if it names one (W3C).
    """

    tenant: str
    method: str
    path: str
    route: str
    status: int
    started_ns: int
    seconds: float
    sent_bytes: int
    cost: QueryMetrics
    traceparent: str = ""

    @property
    def operation(self) -> Operation:
        """What kind of question it was."""
        return next((name for start, name in _OPERATIONS if self.route.startswith(start)), "")

    @property
    def is_canceled(self) -> bool:
        """Whether the client left before it was answered."""
        return self.status == CLIENT_LEFT

    @property
    def is_failed(self) -> bool:
        """Whether the service is to blame that there is no answer."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
