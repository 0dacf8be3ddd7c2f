"""What of an unfinished query chooses the spans whose tags are listed."""

from __future__ import annotations

from traceql import Matchers, Query, TraceQLError, parse, require_valid

#: The condition that no span passes.
NOTHING = parse("{ false }")


def condition_of(matchers: Matchers) -> Query | None:
    """Return the matchers as a query: None where there are none, `NOTHING` where they are not valid."""
    query = matchers.query()
    if query is None:
        return None
    try:
        require_valid(query)
    except TraceQLError:
        return NOTHING
    return query
