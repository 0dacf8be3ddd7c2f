"""Field expressions at one span, written as the language describes them, for clarity alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.oracle_spans import Event, Link, Span, Trace
from tests.oracle_values import ABSENT, FALSE, HIDDEN, TRUE, EvaluationError, arithmetic, compare, static_of, wrap
from traceql.ast import (
    Attribute,
    BinaryOperation,
    FieldExpression,
    Intrinsic,
    LogicalChain,
    Node,
    Static,
    UnaryOperation,
)
from traceql.ast.walk import children
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.format import shown
from traceql.operators import BinaryOperator, LogicalOperator, UnaryOperator
from traceql.types import StaticType, StaticValue

NO_SPAN = "0" * 16


@dataclass(frozen=True)
class At:
    """Where an expression is evaluated: at a span, and within a comparison at one of its events and links."""

    trace: Trace
    place: int
    event: Event | None = None
    link: Link | None = None

    @property
    def span(self) -> Span:
        return self.trace.spans[self.place]


def evaluate(expression: FieldExpression, at: At) -> Static:
    """The value of an expression at a span."""
    match expression:
        case Static():
            return expression
        case Attribute():
            return _attribute(expression, at)
        case Intrinsic(kind=kind):
            return _intrinsic(kind, at)
        case UnaryOperation():
            return _unary(expression.op, evaluate(expression.operand, at), expression)
        case LogicalChain(op=LogicalOperator.OR, operands=operands):
            return _boolean(any(holds(operand, at) for operand in operands))
        case LogicalChain():
            return _boolean(_all_hold(list(_conjuncts(expression)), at))
        case BinaryOperation(op=op) if op.is_comparison:
            node = _turned(expression)
            return _boolean(any(_compares(node, each) for each in _bound(node, at)))
        case BinaryOperation():
            return arithmetic(expression.op, evaluate(expression.lhs, at), evaluate(expression.rhs, at))


def _turned(node: BinaryOperation) -> BinaryOperation:
    """`1 < .a` is `.a > 1`."""
    is_turned = isinstance(node.lhs, Static) and not isinstance(node.rhs, Static) and not node.op.is_regex
    return replace(node, op=node.op.turned, lhs=node.rhs, rhs=node.lhs) if is_turned else node


def _boolean(value: bool) -> Static:
    return TRUE if value else FALSE


def holds(expression: FieldExpression, at: At) -> bool:
    if isinstance(expression, Attribute):  # of any event or link
        return any(evaluate(expression, each) == TRUE for each in _bound_all([expression], at))
    return evaluate(expression, at) == TRUE


def _conjuncts(expression: FieldExpression) -> Iterator[FieldExpression]:
    """The terms of an `&&`, and of those within it."""
    if isinstance(expression, LogicalChain) and expression.op is LogicalOperator.AND:
        for operand in expression.operands:
            yield from _conjuncts(operand)
    else:
        yield expression


def _all_hold(terms: list[FieldExpression], at: At) -> bool:
    """Every term holds, and one event (one link) satisfies all comparisons of events (links) among them.

    Terms are evaluated in order until one fails, those of an event or link together with the first of them.
    """
    groups = [[term for term in terms if _is_positive(term) and kind(term)] for kind in (mentions_event, mentions_link)]
    while terms:
        together = next((group for group in groups if terms[0] in group), [])
        if together and not _one_satisfies(together, at):
            return False
        if not together and not holds(terms[0], at):
            return False
        terms = [term for term in terms[1:] if term not in together]
    return True


def _one_satisfies(comparisons: list[FieldExpression], at: At) -> bool:
    turned = [_turned(comparison) for comparison in comparisons]
    return any(all(_compares(comparison, each) for comparison in turned) for each in _bound_all(turned, at))


def _is_positive(term: FieldExpression) -> bool:
    """A comparison that some event must satisfy; that none has an attribute (`= nil`) is a statement of its own."""
    return (
        isinstance(term, BinaryOperation) and term.op.is_comparison and not _tests_for_nil(term, BinaryOperator.EQUAL)
    )


def _tests_for_nil(node: BinaryOperation, op: BinaryOperator) -> bool:
    return node.op is op and StaticType.NIL in (getattr(node.lhs, "type", None), getattr(node.rhs, "type", None))


def _open_parts(node: Node) -> Iterator[Node]:
    """The node and what is below it, but not in comparisons and chains below: those look for their own events."""
    yield node
    for child in children(node):
        is_closed = isinstance(child, LogicalChain) or (isinstance(child, BinaryOperation) and child.op.is_comparison)
        if not is_closed:
            yield from _open_parts(child)


def mentions_event(node: Node) -> bool:
    return any(
        getattr(part, "scope", None) is AttributeScope.EVENT
        or getattr(part, "kind", None) in (IntrinsicKind.EVENT_NAME, IntrinsicKind.EVENT_TIME_SINCE_START)
        for part in _open_parts(node)
    )


def mentions_link(node: Node) -> bool:
    return any(
        getattr(part, "scope", None) is AttributeScope.LINK
        or getattr(part, "kind", None) in (IntrinsicKind.LINK_TRACE_ID, IntrinsicKind.LINK_SPAN_ID)
        for part in _open_parts(node)
    )


def _bound(node: BinaryOperation, at: At) -> list[At]:
    """The span with each of the events and links that the comparison may speak of."""
    if _tests_for_nil(node, BinaryOperator.EQUAL):
        return [at]
    return _bound_all([node], at)


def _bound_all(nodes: Sequence[Node], at: At) -> list[At]:
    events = at.span.events if at.event is None and any(map(mentions_event, nodes)) else (at.event,)
    links = at.span.links if at.link is None and any(map(mentions_link, nodes)) else (at.link,)
    if not events and any(_accepts_no_event(node) for node in nodes):
        events = (None,)
    return [replace(at, event=event, link=link) for event in events for link in links]


def _accepts_no_event(node: Node) -> bool:
    """`event:name != "x"` holds for a span without events."""
    match node:
        case BinaryOperation(
            op=BinaryOperator.NOT_EQUAL, lhs=Intrinsic(kind=IntrinsicKind.EVENT_NAME), rhs=Static() as rhs
        ):
            return rhs != ABSENT
    return False


def _compares(node: FieldExpression, at: At) -> bool:
    assert isinstance(node, BinaryOperation)
    lhs, rhs = evaluate(node.lhs, at), evaluate(node.rhs, at)
    if node.rhs == ABSENT or node.lhs == ABSENT:
        return _nil_test(node, rhs if node.lhs == ABSENT else lhs)
    if _accepts_no_event(node) and at.event is None and not at.span.events:
        return True
    if isinstance(node.lhs, Intrinsic) and isinstance(node.rhs, Static):
        lhs, rhs = comparable_id(node.lhs.kind, lhs), comparable_id(node.lhs.kind, rhs)
        if node.lhs.kind is IntrinsicKind.PARENT_ID and rhs.value == "" and lhs.value == NO_SPAN:
            return False
    return compare(node.op, lhs, rhs)


def _nil_test(node: BinaryOperation, tested: Static) -> bool:
    """`x = nil`: there is no x; `nil` itself is neither."""
    if node.lhs == node.rhs or tested == HIDDEN:
        return False
    return (tested == ABSENT) == (node.op is BinaryOperator.EQUAL)


def comparable_id(kind: IntrinsicKind, value: Static) -> Static:
    """Trace ids compare without leading zeros."""
    is_trace_id = kind is IntrinsicKind.TRACE_ID and isinstance(value.value, str)
    return replace(value, value=str(value.value).lstrip("0")) if is_trace_id else value


def _unary(op: UnaryOperator, operand: Static, node: UnaryOperation) -> Static:
    if operand in (ABSENT, HIDDEN):
        return FALSE
    match op, operand.type:
        case UnaryOperator.NOT, StaticType.BOOL:
            return _boolean(not operand.value)
        case UnaryOperator.NOT, _:
            raise EvaluationError(f"expression ({shown(node)}) expected a boolean")
        case _, kind if not kind.is_numeric:
            raise EvaluationError(f"expression ({shown(node)}) expected a numeric")
    return Static(operand.type, wrap(-operand.value) if isinstance(operand.value, int) else -operand.value)


def _attribute(node: Attribute, at: At) -> Static:
    event = at.event or next(iter(event for event in at.span.events if node.name in event.attributes), None)
    link = at.link or next(iter(link for link in at.span.links if node.name in link.attributes), None)
    places = {
        AttributeScope.UNSCOPED: (at.span.attributes, at.span.resource),
        AttributeScope.SPAN: (at.span.attributes,),
        AttributeScope.RESOURCE: (at.span.resource,),
        AttributeScope.INSTRUMENTATION: (at.span.scope_attributes,),
        AttributeScope.EVENT: (event.attributes,) if event else (),
        AttributeScope.LINK: (link.attributes,) if link else (),
    }[node.scope]
    return next((static_of(attributes[node.name]) for attributes in places if node.name in attributes), ABSENT)


def _intrinsic(kind: IntrinsicKind, at: At) -> Static:
    value = _INTRINSICS[kind](at)
    return ABSENT if value is None else Static(kind.type if kind.type in _TYPED else StaticType.STRING, value)


_TYPED = {StaticType.DURATION, StaticType.STATUS, StaticType.KIND, StaticType.INT}


def _event(at: At) -> Event | None:
    return at.event or next(iter(at.span.events), None)


def _link(at: At) -> Link | None:
    return at.link or next(iter(at.span.links), None)


_INTRINSICS: dict[IntrinsicKind, Callable[[At], StaticValue]] = {
    IntrinsicKind.DURATION: lambda at: at.span.duration_ns,
    IntrinsicKind.NAME: lambda at: at.span.name,
    IntrinsicKind.STATUS: lambda at: at.span.status,
    IntrinsicKind.STATUS_MESSAGE: lambda at: at.span.status_message,
    IntrinsicKind.KIND: lambda at: at.span.kind,
    IntrinsicKind.SPAN_ID: lambda at: at.span.span_id,
    IntrinsicKind.PARENT_ID: lambda at: NO_SPAN if at.span.is_root else at.span.parent_id,
    IntrinsicKind.CHILD_COUNT: lambda at: sum(parent == at.place for parent in at.trace.parents),
    IntrinsicKind.TRACE_DURATION: lambda at: at.trace.duration_ns,
    IntrinsicKind.TRACE_ROOT_NAME: lambda at: at.trace.root_name,
    IntrinsicKind.TRACE_ROOT_SERVICE: lambda at: at.trace.root_service,
    IntrinsicKind.TRACE_ID: lambda at: at.span.trace_id.lstrip("0"),
    IntrinsicKind.EVENT_NAME: lambda at: (event := _event(at)) and event.name,
    IntrinsicKind.EVENT_TIME_SINCE_START: lambda at: (event := _event(at)) and event.time_ns - at.span.start_ns,
    IntrinsicKind.LINK_TRACE_ID: lambda at: (link := _link(at)) and link.trace_id.lstrip("0"),
    IntrinsicKind.LINK_SPAN_ID: lambda at: (link := _link(at)) and link.span_id,
    IntrinsicKind.INSTRUMENTATION_NAME: lambda at: at.span.scope_name,
    IntrinsicKind.INSTRUMENTATION_VERSION: lambda at: at.span.scope_version,
    IntrinsicKind.NESTED_SET_LEFT: lambda at: at.trace.numbers[at.place][0],
    IntrinsicKind.NESTED_SET_RIGHT: lambda at: at.trace.numbers[at.place][1],
    IntrinsicKind.NESTED_SET_PARENT: lambda at: at.trace.numbers[at.place][2],
}
