"""Binds expressions of the language to the columns of one source: the only bridge between the two.

What a source cannot have (an absent attribute, a value beyond its bounds) becomes false here, before anything is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, singledispatchmethod
from typing import cast

from storage.columns import TABLE_OF_SCOPE, Scope, SourceMeta, TableName, column_name
from tempo_dask.errors import QueryFailed
from tempo_dask.physical.bound import (
    Absent,
    Arithmetic,
    AttributeColumns,
    Boolean,
    Comparison,
    Constant,
    FirstOf,
    Fixed,
    InRest,
    IntrinsicColumn,
    Negation,
    Operand,
    Predicate,
    Present,
    Truth,
    TypedColumn,
)
from tempo_dask.physical.intrinsics import INTRINSICS
from tempo_dask.physical.logic import FALSE, TRUE, all_of, any_of, common_table, negated, over_spans
from tempo_dask.physical.operands import STATIC_TYPES, operand_table
from tempo_dask.physical.pruning import columns_that_may_satisfy, constants_satisfy
from traceql import shown
from traceql.ast import (
    Attribute,
    BinaryOperation,
    FieldExpression,
    Intrinsic,
    LogicalChain,
    Static,
    UnaryOperation,
)
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.operators import BinaryOperator, LogicalOperator, UnaryOperator
from traceql.types import StaticType

FALSE_VALUE = Constant(StaticType.BOOL, value=False)

_JOINED: tuple[TableName, ...] = ("events", "links")


@dataclass(frozen=True, slots=True)
class SourceKey:
    """A source as a key: tenant and id stand for it, since equal ids mean equal rows."""

    tenant: str
    id: str
    meta: SourceMeta = field(compare=False)


@lru_cache(maxsize=1024)
def _bound(expression: FieldExpression, source: SourceKey) -> Predicate:
    return Binder(source.meta).predicate(expression)


def bind_filter(expression: FieldExpression, meta: SourceMeta) -> Predicate:
    """Return where the expression is true; the units of a source, asked one after another, share one answer."""
    return _bound(expression, SourceKey(meta.tenant, meta.id, meta))


@dataclass(frozen=True, slots=True)
class Binder:
    """Binds to the source that `meta` describes."""

    meta: SourceMeta

    @singledispatchmethod
    def predicate(self, expression: FieldExpression) -> Predicate:
        """Return where the expression is true, over spans or a table that spans refer to."""
        msg = f"no predicate for {expression!r}"
        raise NotImplementedError(msg)

    @predicate.register
    def _static(self, expression: Static) -> Predicate:
        return Fixed(expression.value is True)

    @predicate.register(Attribute)
    @predicate.register(Intrinsic)
    def _reference(self, expression: Attribute | Intrinsic) -> Predicate:
        return self._boolean(expression, value=True)

    @predicate.register
    def _unary(self, expression: UnaryOperation) -> Predicate:
        if expression.op is not UnaryOperator.NOT:
            return FALSE
        if isinstance(expression.operand, Attribute | Intrinsic | Static):
            return self._boolean(expression.operand, value=False, refusal=_refusal(expression, "a boolean"))
        return negated(self.predicate(expression.operand)) if _is_boolean(expression.operand) else FALSE

    @predicate.register
    def _chain(self, expression: LogicalChain) -> Predicate:
        if expression.op is LogicalOperator.OR:
            return any_of([self.predicate(operand) for operand in expression.operands])
        return self._conjunction(_conjuncts(expression))

    @predicate.register
    def _binary(self, expression: BinaryOperation) -> Predicate:
        if expression.op.is_arithmetic:
            return FALSE
        if _is_row_test(expression):
            return self._conjunction([expression])
        both_nil = _is_nil(expression.lhs) and _is_nil(expression.rhs)
        return FALSE if both_nil else negated(self._existence(expression))

    def _conjunction(self, terms: Sequence[FieldExpression]) -> Predicate:
        """Return where all terms hold, one event satisfying all that is said of events, and one link likewise."""
        rows = [(term, self._row_predicate(term)) for term in terms if _is_row_test(term)]
        others = [self.predicate(term) for term in terms if not _is_row_test(term)]
        joined = (self._joined(table, [(t, p) for t, p in rows if _is_over(p, table)]) for table in _JOINED)
        return all_of([*others, *(p for _, p in rows if not any(_is_over(p, t) for t in _JOINED)), *joined])

    def _row_predicate(self, term: FieldExpression) -> Predicate:
        """Return a comparison, or a test that something is there, over the table that it is about."""
        test = cast("BinaryOperation", term)
        return self._presence(test) if _is_nil_test(test) else self._comparison(test)

    def _joined(self, table: TableName, rows: Sequence[tuple[FieldExpression, Predicate]]) -> Predicate:
        """Return the spans one of whose events satisfies all; `event:name != "x"` holds for spans without events."""
        if not rows:
            return TRUE
        some = over_spans(all_of(predicate for _, predicate in rows))
        if table != "events" or not all(_accepts_no_event(term) for term, _ in rows):
            return some
        name = IntrinsicColumn(table, IntrinsicKind.EVENT_NAME)
        return any_of([some, negated(over_spans(Present(table, name)))])

    @singledispatchmethod
    def operand(self, expression: FieldExpression) -> Operand:
        """Return the values of an expression."""
        predicate = self.predicate(expression)
        if isinstance(predicate, Fixed):
            return Constant(StaticType.BOOL, predicate.value)
        return Truth(predicate.table, predicate)

    @operand.register
    def _constant(self, expression: Static) -> Operand:
        return Constant(expression.type, expression.value)

    @operand.register
    def _intrinsic(self, expression: Intrinsic) -> Operand:
        source = INTRINSICS.get(expression.kind)
        if source is None:
            msg = f"intrinsic ({expression.kind.value}) not yet supported"
            raise QueryFailed(msg)
        return IntrinsicColumn(source.table, expression.kind)

    @operand.register
    def _attribute(self, expression: Attribute) -> Operand:
        if expression.of_parent:
            msg = "parent not yet supported"
            raise QueryFailed(msg)
        if expression.scope is not AttributeScope.UNSCOPED:
            return self._columns(cast("Scope", expression.scope.value), expression.name)
        first, second = self._columns("span", expression.name), self._columns("resource", expression.name)
        if isinstance(first, Absent) or isinstance(second, Absent):
            return second if isinstance(first, Absent) else first
        return FirstOf(first, second)

    @operand.register
    def _negation(self, expression: UnaryOperation) -> Operand:
        if expression.op is UnaryOperator.NOT:
            predicate = self.predicate(expression)
            return (
                Constant(StaticType.BOOL, predicate.value)
                if isinstance(predicate, Fixed)
                else Truth("spans", predicate)
            )
        operand = self.operand(expression.operand)
        if not isinstance(operand, Absent):
            return Negation(operand_table(operand), operand, _refusal(expression, "a numeric"))
        # False in each event, and nothing where there is no event.
        return Negation(operand.table, AttributeColumns(operand.table, ())) if operand.table in _JOINED else FALSE_VALUE

    @operand.register
    def _computation(self, expression: BinaryOperation) -> Operand:
        if expression.op.is_comparison:
            predicate = self.predicate(expression)
            return (
                Constant(StaticType.BOOL, predicate.value)
                if isinstance(predicate, Fixed)
                else Truth("spans", predicate)
            )
        lhs, rhs = self.operand(expression.lhs), self.operand(expression.rhs)
        if isinstance(lhs, Absent) or isinstance(rhs, Absent):
            return Absent(_table_of(lhs, rhs))
        return Arithmetic(_table_of(lhs, rhs), expression.op, lhs, rhs)

    def _columns(self, scope: Scope, key: str) -> AttributeColumns | Absent:
        table = TABLE_OF_SCOPE[scope]
        names = ((column_name(scope, key, type_), static) for type_, static in STATIC_TYPES.items())
        columns = tuple(TypedColumn(name, static) for name, static in names if name in self.meta.columns)
        rest_key = key if self.meta.may_be_in_rest(table, key) else None
        return AttributeColumns(table, columns, rest_key) if columns or rest_key is not None else Absent(table)

    def _boolean(self, expression: Attribute | Intrinsic | Static, *, value: bool, refusal: str = "") -> Predicate:
        operand = self.operand(expression)
        if isinstance(operand, Absent):
            return FALSE
        if isinstance(operand, Constant):
            return Fixed(operand.value is value)
        table = operand_table(operand)
        if table not in _JOINED:
            return Boolean(table, operand, value, refusal)
        # Some event must be true; what is not true is asked of the first that has a value.
        return (
            over_spans(Boolean(table, operand, value, refusal)) if value else Boolean("spans", operand, value, refusal)
        )

    def _presence(self, expression: BinaryOperation) -> Predicate:
        """Return where `x` in `x != nil` has a value; nil itself is neither there nor missing."""
        operand = self.operand(expression.rhs if _is_nil(expression.lhs) else expression.lhs)
        if isinstance(operand, Constant):
            return Fixed(operand.type is not StaticType.NIL)
        return FALSE if isinstance(operand, Absent) else Present(operand_table(operand), operand)

    def _existence(self, expression: BinaryOperation) -> Predicate:
        """Return where `x` in `x = nil` is not missing: it has a value, or one that no query sees."""
        operand = self.operand(expression.rhs if _is_nil(expression.lhs) else expression.lhs)
        sources = (operand.first, operand.second) if isinstance(operand, FirstOf) else (operand,)
        hidden = (_in_rest(source) for source in sources if isinstance(source, AttributeColumns))
        return any_of([over_spans(self._presence(expression)), *hidden])

    def _comparison(self, expression: BinaryOperation) -> Predicate:
        lhs, rhs, op = self.operand(expression.lhs), self.operand(expression.rhs), expression.op
        if isinstance(lhs, Constant) and not isinstance(rhs, Constant):
            lhs, rhs, op = rhs, lhs, op.turned
        if isinstance(lhs, Absent) or isinstance(rhs, Absent):
            return FALSE
        if isinstance(rhs, Constant):
            return self._comparison_with_constant(op, lhs, rhs)
        if op.is_regex:
            msg = f"regex must be a text constant: {op.value}"
            raise QueryFailed(msg)
        return Comparison(_table_of(lhs, rhs), op, lhs, rhs)

    def _comparison_with_constant(self, op: BinaryOperator, lhs: Operand, rhs: Constant) -> Predicate:
        if isinstance(lhs, Constant):
            return Fixed(constants_satisfy(op, lhs, rhs))
        if isinstance(lhs, FirstOf):
            first = self._comparison_with_constant(op, lhs.first, rhs)
            second = self._comparison_with_constant(op, lhs.second, rhs)
            missing = negated(any_of([Present("spans", lhs.first), _in_rest(lhs.first)]))
            return any_of([first, all_of([missing, second])])
        if isinstance(lhs, AttributeColumns):
            columns = columns_that_may_satisfy(op, lhs.columns, rhs, self.meta)
            if lhs.rest_key is None:
                lhs = replace(lhs, columns=columns)
            if not columns and lhs.rest_key is None:
                return FALSE
        if isinstance(lhs, IntrinsicColumn):
            _require_comparable_id(op, lhs)
        return Comparison(operand_table(lhs), op, lhs, rhs)


def _in_rest(columns: AttributeColumns) -> Predicate:
    return FALSE if columns.rest_key is None else over_spans(InRest(columns.table, columns.rest_key))


def _table_of(lhs: Operand, rhs: Operand) -> TableName:
    tables = [operand_table(side) for side in (lhs, rhs) if not isinstance(side, Constant)]
    return common_table(tables) if tables else "spans"


def _require_comparable_id(op: BinaryOperator, operand: IntrinsicColumn) -> None:
    if operand.kind.is_id and op.is_ordering:
        msg = f"operator not supported for IDs: {op.value}"
        raise QueryFailed(msg)


def _conjuncts(expression: FieldExpression) -> list[FieldExpression]:
    """Return the operands of (nested) `&&`, in order; an expression that is none is its only one."""
    found: list[FieldExpression] = []
    waiting = [expression]
    while waiting:
        term = waiting.pop()
        if isinstance(term, LogicalChain) and term.op is LogicalOperator.AND:
            waiting.extend(reversed(term.operands))
        else:
            found.append(term)
    return found


def _is_row_test(expression: FieldExpression) -> bool:
    """Return whether some row must satisfy it: every comparison but `x = nil`, which says that none has a value."""
    return (
        isinstance(expression, BinaryOperation)
        and expression.op.is_comparison
        and not (_is_nil_test(expression) and expression.op is BinaryOperator.EQUAL)
    )


def _is_nil_test(expression: BinaryOperation) -> bool:
    return _is_nil(expression.lhs) or _is_nil(expression.rhs)


def _is_over(predicate: Predicate, table: TableName) -> bool:
    return not isinstance(predicate, Fixed) and predicate.table == table


def _accepts_no_event(term: FieldExpression) -> bool:
    return (
        isinstance(term, BinaryOperation)
        and term.op is BinaryOperator.NOT_EQUAL
        and term.lhs == Intrinsic(IntrinsicKind.EVENT_NAME)
        and isinstance(term.rhs, Static)
        and not _is_nil(term.rhs)
    )


def _refusal(expression: UnaryOperation, expected: str) -> str:
    """Return what an error says of an attribute that is not of the type its operator wants."""
    if not isinstance(expression.operand, Attribute | Intrinsic):
        return ""
    return f"expression ({shown(expression)}) expected {expected}"


def _is_boolean(expression: FieldExpression) -> bool:
    """Return whether the expression is true or false in every span, never without a value."""
    if isinstance(expression, UnaryOperation):
        return expression.op is UnaryOperator.NOT
    return isinstance(expression, LogicalChain) or (
        isinstance(expression, BinaryOperation) and expression.op.is_comparison
    )


def _is_nil(expression: FieldExpression) -> bool:
    return isinstance(expression, Static) and expression.type is StaticType.NIL
