"""TraceQL: text to tree and back, its rules, and what an executor needs to know of a query.

    query = parse("{ span.http.status_code >= 500 } | rate() by (resource.service.name)")
    require_valid(query)
    conditions_of(simplify(query))

Standard library and lark alone: no arrays, no input or output.
"""

from traceql.advice import advise
from traceql.ast import Node, Query
from traceql.conditions import Condition, Conditions, conditions_of
from traceql.errors import Diagnostic, Fault, ParseError, TraceQLError, ValidationError
from traceql.format import format_query, shown
from traceql.matchers import Matchers, matchers_of
from traceql.parser import parse, parse_attribute
from traceql.simplify import simplify
from traceql.validate import require_valid, validate

__all__ = [
    "Condition",
    "Conditions",
    "Diagnostic",
    "Fault",
    "Matchers",
    "Node",
    "ParseError",
    "Query",
    "TraceQLError",
    "ValidationError",
    "advise",
    "conditions_of",
    "format_query",
    "matchers_of",
    "parse",
    "parse_attribute",
    "require_valid",
    "shown",
    "simplify",
    "validate",
]
