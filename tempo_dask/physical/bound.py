"""Expressions bound to one source: which columns hold what, no names of the language left to look up.

Operands give values, predicates give masks; each says over the rows of which table. A predicate over a small
table (resources, scopes, traces) is evaluated there and spread over the spans afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.columns import TableName
from traceql.attributes import IntrinsicKind
from traceql.operators import BinaryOperator
from traceql.types import StaticType, StaticValue


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is the same for every row."""

    type: StaticType
    value: StaticValue


@dataclass(frozen=True, slots=True)
class Absent:
    """An attribute that no row of its table has."""

    table: TableName


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column and the type that its values have in the language."""

    name: str
    type: StaticType


@dataclass(frozen=True, slots=True)
class AttributeColumns:
    """The values of a key in one table: a column per type, and with `rest_key` what `rest` holds besides."""

    table: TableName
    columns: tuple[TypedColumn, ...]
    rest_key: str | None = None


@dataclass(frozen=True, slots=True)
class IntrinsicColumn:
    """A built-in property of the rows of a table."""

    table: TableName
    kind: IntrinsicKind


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The value of `first` where it has one, else of `second`; over spans."""

    first: AttributeColumns
    second: AttributeColumns


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`lhs + rhs`; no value where an operand is no number."""

    table: TableName
    op: BinaryOperator
    lhs: Operand
    rhs: Operand


@dataclass(frozen=True, slots=True)
class Negation:
    """`-operand`; false where the operand has no value. `refusal` says of any other value what was expected."""

    table: TableName
    operand: Operand
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """A predicate used as a value: true or false in every row."""

    table: TableName
    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Fixed:
    """True for every row, or for none."""

    value: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """`lhs op rhs`; false where either has no value or their types differ. A constant stands on the right."""

    table: TableName
    op: BinaryOperator
    lhs: Operand
    rhs: Operand


@dataclass(frozen=True, slots=True)
class Boolean:
    """The operand is the boolean `value`; false where it has no value or one that is no boolean.

    With a `refusal` the query fails at such a value: it says what was expected.
    """

    table: TableName
    operand: Operand
    value: bool
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Present:
    """Whether the operand has a value."""

    table: TableName
    operand: Operand


@dataclass(frozen=True, slots=True)
class InRest:
    """Whether `rest` holds the key, be it with a value that no query sees (bytes, maps, nothing)."""

    table: TableName
    key: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every predicate holds; cheap ones stand first."""

    table: TableName
    operands: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some predicate holds."""

    table: TableName
    operands: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """The predicate does not hold."""

    table: TableName
    operand: Predicate


@dataclass(frozen=True, slots=True)
class SomeRow:
    """For a span: the predicate holds for one of its events (or links)."""

    table: TableName
    operand: Predicate


Operand = Constant | Absent | AttributeColumns | IntrinsicColumn | FirstOf | Arithmetic | Negation | Truth
RowPredicate = Comparison | Boolean | Present | InRest | AllOf | AnyOf | Negated | SomeRow
Predicate = Fixed | RowPredicate
