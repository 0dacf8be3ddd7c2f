"""Query texts as what is planned: parsed, checked and simplified, once while the same is asked again."""

from __future__ import annotations

from functools import lru_cache

from traceql import Query, parse, require_valid, simplify
from traceql.parser import MOST_REMEMBERED


def understood(text: str) -> Query:
    """Return the simplified tree of a query. Raises TraceQLError where it is not valid."""
    return _understood(text) if len(text) <= MOST_REMEMBERED else _understood.__wrapped__(text)


@lru_cache(maxsize=512)
def _understood(text: str) -> Query:
    query = parse(text)
    require_valid(query)
    return simplify(query)
