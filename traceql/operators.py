"""The operators of TraceQL; the value of each member is its spelling."""

from __future__ import annotations

from enum import Enum

from traceql.types import StaticType


class UnaryOperator(Enum):
    """An operator before a field expression."""

    NEGATE = "-"
    NOT = "!"

    def fits(self, operand: StaticType) -> bool:
        """Whether the operator is legal for an operand of this type."""
        if operand is StaticType.ATTRIBUTE:
            return True
        return operand.is_numeric if self is UnaryOperator.NEGATE else operand is StaticType.BOOL


class LogicalOperator(Enum):
    """Joins field expressions, or spansets; both stand on one level of precedence."""

    AND = "&&"
    OR = "||"


class BinaryOperator(Enum):
    """An operator between two field expressions (or two scalars) that is neither `&&` nor `||`."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"
    POWER = "^"
    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    REGEX = "=~"
    NOT_REGEX = "!~"

    @property
    def is_arithmetic(self) -> bool:
        """Gives a number."""
        return self in _ARITHMETIC

    @property
    def is_comparison(self) -> bool:
        """Gives a boolean."""
        return self not in _ARITHMETIC

    @property
    def is_regex(self) -> bool:
        """Matches a string against a pattern, fully anchored."""
        return self in _REGEX

    @property
    def is_ordering(self) -> bool:
        """One of `< <= > >=`."""
        return self in _TURNED

    @property
    def turned(self) -> BinaryOperator:
        """The comparison with its sides exchanged: `<` for `>`; symmetric operators are themselves."""
        return _TURNED.get(self, self)

    def fits(self, operand: StaticType) -> bool:
        """Whether the operator is legal for an operand of this type (arrays count as their elements)."""
        element = operand.element
        return element is StaticType.ATTRIBUTE or self in _LEGAL[element]


_ARITHMETIC = frozenset(
    {
        BinaryOperator.ADD,
        BinaryOperator.SUBTRACT,
        BinaryOperator.MULTIPLY,
        BinaryOperator.DIVIDE,
        BinaryOperator.MODULO,
        BinaryOperator.POWER,
    }
)
_TURNED = {
    BinaryOperator.LESS: BinaryOperator.GREATER,
    BinaryOperator.LESS_EQUAL: BinaryOperator.GREATER_EQUAL,
    BinaryOperator.GREATER: BinaryOperator.LESS,
    BinaryOperator.GREATER_EQUAL: BinaryOperator.LESS_EQUAL,
}
_REGEX = frozenset({BinaryOperator.REGEX, BinaryOperator.NOT_REGEX})
_EQUALITY = frozenset({BinaryOperator.EQUAL, BinaryOperator.NOT_EQUAL})
_ORDERED = _EQUALITY | frozenset(_TURNED)

_LEGAL: dict[StaticType, frozenset[BinaryOperator]] = {
    StaticType.NIL: _EQUALITY,
    StaticType.BOOL: _EQUALITY,
    StaticType.STATUS: _EQUALITY,
    StaticType.KIND: _EQUALITY,
    StaticType.STRING: _ORDERED | _REGEX,
    StaticType.INT: _ORDERED | _ARITHMETIC,
    StaticType.FLOAT: _ORDERED | _ARITHMETIC,
    StaticType.DURATION: _ORDERED | _ARITHMETIC,
}


class Relation(Enum):
    """How a span of the right side stands to a span of the left side; the value is the plain operator."""

    CHILD = ">"
    DESCENDANT = ">>"
    PARENT = "<"
    ANCESTOR = "<<"
    SIBLING = "~"


class StructuralOperator(Enum):
    """Joins two spansets by the shape of the trace.

    Plain operators give the spans of the right side that have the relation to some span of the left, negated ones
    (`!`) those that have it to none, union ones (`&`) the spans of both sides that take part.
    """

    CHILD = ">"
    DESCENDANT = ">>"
    PARENT = "<"
    ANCESTOR = "<<"
    SIBLING = "~"
    NOT_CHILD = "!>"
    NOT_DESCENDANT = "!>>"
    NOT_PARENT = "!<"
    NOT_ANCESTOR = "!<<"
    NOT_SIBLING = "!~"
    UNION_CHILD = "&>"
    UNION_DESCENDANT = "&>>"
    UNION_PARENT = "&<"
    UNION_ANCESTOR = "&<<"
    UNION_SIBLING = "&~"

    @property
    def relation(self) -> Relation:
        """The relation without `!` or `&`."""
        return Relation(self.value.lstrip("!&"))

    @property
    def is_negated(self) -> bool:
        """One of the `!` forms."""
        return self.value.startswith("!")

    @property
    def is_union(self) -> bool:
        """One of the `&` forms."""
        return self.value.startswith("&")


class AggregateFunction(Enum):
    """Reduces the spans of a spanset to one number."""

    COUNT = "count"
    AVG = "avg"
    MAX = "max"
    MIN = "min"
    SUM = "sum"


class MetricsFunction(Enum):
    """Reduces spans to a number per interval and group."""

    RATE = "rate"
    COUNT = "count_over_time"
    MIN = "min_over_time"
    MAX = "max_over_time"
    AVG = "avg_over_time"
    SUM = "sum_over_time"
    QUANTILE = "quantile_over_time"
    HISTOGRAM = "histogram_over_time"

    @property
    def takes_operand(self) -> bool:
        """Whether the function needs an attribute to work on."""
        return self not in (MetricsFunction.RATE, MetricsFunction.COUNT)
