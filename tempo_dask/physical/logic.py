"""Predicates joined: fixed ones disappear, those over one small table are evaluated there together."""

from __future__ import annotations

from collections.abc import Iterable

from storage.columns import TableName
from tempo_dask.errors import QueryFailed
from tempo_dask.physical.bound import AllOf, AnyOf, Fixed, Negated, Predicate, RowPredicate, SomeRow

TRUE, FALSE = Fixed(value=True), Fixed(value=False)

#: Tables in the order in which their predicates are evaluated: the fewest rows first, joins last.
_ORDER: tuple[TableName, ...] = ("resources", "scopes", "traces", "spans", "events", "links")


def all_of(operands: Iterable[Predicate]) -> Predicate:
    """Return the predicate that holds where all of them do."""
    rows = [operand for operand in operands if operand != TRUE]
    if FALSE in rows:
        return FALSE
    return _join(AllOf, [p for p in rows if not isinstance(p, Fixed)]) if rows else TRUE


def any_of(operands: Iterable[Predicate]) -> Predicate:
    """Return the predicate that holds where any of them does."""
    rows = [operand for operand in operands if operand != FALSE]
    if TRUE in rows:
        return TRUE
    return _join(AnyOf, [p for p in rows if not isinstance(p, Fixed)]) if rows else FALSE


def negated(operand: Predicate) -> Predicate:
    """Return the predicate that holds where the operand does not."""
    if isinstance(operand, Fixed):
        return Fixed(not operand.value)
    return operand.operand if isinstance(operand, Negated) else Negated(operand.table, operand)


def over_spans(predicate: Predicate) -> Predicate:
    """Return a predicate over events or links as one over the spans that own them."""
    if isinstance(predicate, Fixed) or predicate.table not in ("events", "links"):
        return predicate
    return SomeRow("spans", predicate)


def common_table(tables: Iterable[TableName]) -> TableName:
    """Return the table over whose rows values (or masks) of all these tables can be seen."""
    distinct = set(tables)
    if len(distinct) == 1:
        return distinct.pop()
    joined = distinct & {"events", "links"}
    if len(joined) > 1:
        msg = "an event cannot be compared with a link"
        raise QueryFailed(msg)
    return joined.pop() if joined else "spans"


def _join(kind: type[AllOf | AnyOf], operands: list[RowPredicate]) -> RowPredicate:
    groups = [(table, [p for p in operands if p.table == table]) for table in _ORDER]
    joined = [
        members[0] if len(members) == 1 else kind(table, _ordered(members)) for table, members in groups if members
    ]
    if len(joined) == 1:
        return joined[0]
    return kind(common_table(p.table for p in joined), tuple(joined))


def _ordered(members: list[RowPredicate]) -> tuple[RowPredicate, ...]:
    """Return span predicates with joins to events and links behind the others."""
    return tuple(sorted(members, key=lambda member: isinstance(member, SomeRow)))
