"""What the language allows and no plan can say."""

from __future__ import annotations

from collections.abc import Iterator

from tempo_dask.errors import BadRequest
from traceql import Query
from traceql.ast import Attribute, BinaryOperation, Intrinsic, LogicalChain, Node
from traceql.ast.walk import children, walk
from traceql.attributes import AttributeScope, IntrinsicKind

_EVENT = frozenset({IntrinsicKind.EVENT_NAME, IntrinsicKind.EVENT_TIME_SINCE_START})
_LINK = frozenset({IntrinsicKind.LINK_TRACE_ID, IntrinsicKind.LINK_SPAN_ID})


def require_planned(query: Query) -> None:
    """Refuse a query that sets a value of events against one of links: which of a span's many belong together?

    Raises
    ------
        BadRequest: it does.
    """
    for node in walk(query.root):
        if isinstance(node, BinaryOperation):
            parts = tuple(_open_parts(node))
            if any(map(_is_of_event, parts)) and any(map(_is_of_link, parts)):
                msg = "an event cannot be compared with a link"
                raise BadRequest(msg)


def _open_parts(node: Node) -> Iterator[Node]:
    """Return what is below but not in comparisons below: those look for events and links of their own."""
    waiting = [*children(node)]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, LogicalChain) and not (isinstance(part, BinaryOperation) and part.op.is_comparison):
            yield part
            waiting.extend(children(part))


def _is_of_event(node: Node) -> bool:
    return (isinstance(node, Attribute) and node.scope is AttributeScope.EVENT) or (
        isinstance(node, Intrinsic) and node.kind in _EVENT
    )


def _is_of_link(node: Node) -> bool:
    return (isinstance(node, Attribute) and node.scope is AttributeScope.LINK) or (
        isinstance(node, Intrinsic) and node.kind in _LINK
    )
