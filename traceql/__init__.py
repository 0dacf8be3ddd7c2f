"""TraceQL: text to tree and back, its rules, and what an executor needs to know of a query. Standard library and lark alone.

query = parse("{ span.http.status_code >= 500 } | rate() by (resource.service.name)")
require_valid(query)
"""

from traceql.ast import Node, Query
from traceql.errors import Diagnostic, Fault, ParseError, TraceQLError, ValidationError
from traceql.parser import parse, parse_attribute

__all__ = [
    "Diagnostic",
    "Fault",
    "Node",
    "ParseError",
    "Query",
    "TraceQLError",
    "ValidationError",
    "parse",
    "parse_attribute",
]
