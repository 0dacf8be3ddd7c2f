"""The text of a query: its bound in size, its syntax and its types, refused with the prefix of each endpoint."""

from __future__ import annotations

from tempo_dask.api.limits import RequestLimits
from tempo_dask.errors import BadRequest
from traceql import Query, TraceQLError, parse, require_valid


def parse_query(text: str, limits: RequestLimits, prefix: str) -> Query:
    """Return the tree of a query; raises BadRequest."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if 0 < limits.max_query_bytes < size:
        msg = (
            f"TraceQL expression exceeds the configured maximum size of {limits.max_query_bytes} bytes, "
            "reduce the query expression size or contact your system administrator"
        )
        raise BadRequest(msg)
    try:
        return parse(text)
    except TraceQLError as error:
        raise BadRequest(f"{prefix}{error}") from error


def check_query(tree: Query, prefix: str) -> None:
    """Check types and values; raises BadRequest."""
    try:
        require_valid(tree)
    except TraceQLError as error:
        raise BadRequest(f"{prefix}{error}") from error
