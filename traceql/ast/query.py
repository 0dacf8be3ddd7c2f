"""A whole query."""

from __future__ import annotations

from dataclasses import dataclass

from traceql.ast.fields import Static
from traceql.ast.metrics import MetricsArithmetic, MetricsExpression, MetricsQuery
from traceql.ast.node import Node
from traceql.ast.spansets import Pipeline
from traceql.types import StaticType, StaticValue


@dataclass(frozen=True, slots=True)
class Hint(Node):
    """`name=value` inside `with(...)`."""

    name: str
    value: Static


@dataclass(frozen=True, slots=True)
class Query(Node):
    """A search (`root` is a pipeline) or a metrics query, and its hints."""

    root: Pipeline | MetricsExpression
    hints: tuple[Hint, ...] = ()

    @property
    def is_metrics(self) -> bool:
        """Whether the query gives series instead of spans."""
        return isinstance(self.root, MetricsQuery | MetricsArithmetic)

    def hint(self, name: str, *types: StaticType) -> StaticValue:
        """The value of a hint, None when it is absent or of none of these types (such hints are ignored)."""
        return next((hint.value.value for hint in self.hints if hint.name == name and hint.value.type in types), None)
