"""What an executor must read to answer a query, and which spans it may leave out."""

from __future__ import annotations

from dataclasses import dataclass

from traceql.ast import AttributeReference, Query, Static
from traceql.operators import BinaryOperator


@dataclass(frozen=True, slots=True)
class Condition:
    """`attribute op value`; without operator the attribute's value is wanted whatever it is.

    A constant that stood on the left has been turned to the right.
    """

    attribute: AttributeReference
    op: BinaryOperator | None = None
    value: Static | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a query, each attribute at least once.

    When `all_must_hold`, a span that fails one of them (those with an operator) cannot match, so executors may skip it. Otherwise the
    conditions only say what to read. `displayed` are the attributes that results show, in order of appearance.
    """

    conditions: tuple[Condition, ...]
    all_must_hold: bool
    displayed: tuple[AttributeReference, ...] = ()


def conditions_of(query: Query) -> Conditions:
    """What the query touches."""
    raise NotImplementedError
