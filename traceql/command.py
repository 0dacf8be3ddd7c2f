"""What the command line says of a query: check, format, explain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from enum import Enum

from traceql.advice import advise
from traceql.ast import Attribute, Intrinsic, Node, Static
from traceql.ast.walk import children
from traceql.conditions import Condition, Conditions, conditions_of
from traceql.errors import TraceQLError, ValidationError
from traceql.format import format_query
from traceql.parser import parse
from traceql.simplify import simplify
from traceql.validate import require_valid, validate


def check(text: str) -> str:
    """All that is wrong with a query, each finding with its place and a suggestion; empty for a valid one."""
    try:
        query = parse(text)
    except TraceQLError as error:
        return advise(text, error)
    return "\n".join(advise(text, ValidationError((finding,))) for finding in validate(query))


def format_text(text: str) -> str:
    """The canonical text of a query. Raises ParseError."""
    return format_query(parse(text))


def explain(text: str) -> str:
    """How a query is read: canonical and simplified text, tree, and what it asks of spans. Raises TraceQLError."""
    query = parse(text)
    require_valid(query)
    simple = simplify(query)
    sections = {
        "query": [format_query(query)],
        "simplified": [format_query(simple)],
        "tree": list(_tree(simple, depth=0)),
        "conditions": list(_asked(conditions_of(simple))),
    }
    return "\n".join(f"{title}\n" + "\n".join(f"  {line}" for line in lines) for title, lines in sections.items())


def _tree(node: Node, depth: int) -> Iterator[str]:
    """A line per node; literals and attributes as they are written."""
    is_leaf = isinstance(node, Static | Attribute | Intrinsic)
    yield "  " * depth + type(node).__name__ + (f" {format_query(node)}" if is_leaf else _details(node))
    for child in () if is_leaf else children(node):
        yield from _tree(child, depth + 1)


def _details(node: Node) -> str:
    """The node's own values: operators, functions, limits."""
    values = (getattr(node, part.name) for part in fields(node) if part.name != "position")
    own = (value.value if isinstance(value, Enum) else value for value in values if isinstance(value, Enum | str | int))
    return "".join(f" {value}" for value in own)


def _asked(conditions: Conditions) -> Iterator[str]:
    yield "each must hold" if conditions.all_must_hold else "to be read"
    for condition in conditions.conditions:
        yield "  " + _condition(condition)


def _condition(condition: Condition) -> str:
    name = format_query(condition.attribute)
    if condition.op is None or condition.value is None:
        return name
    return f"{name} {condition.op.value} {format_query(condition.value)}"
