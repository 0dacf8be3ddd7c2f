"""Ways through a tree. Reading needs no recursion, so that no tree is too deep for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar, cast

from traceql.ast.node import Node

AnyNode = TypeVar("AnyNode", bound=Node)


_PARTS: dict[type[Node], tuple[str, ...]] = {}


def _parts(node: type[Node]) -> tuple[str, ...]:
    """The names of a node type's fields."""
    if node not in _PARTS:
        _PARTS[node] = tuple(part.name for part in fields(node) if part.name != "position")
    return _PARTS[node]


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below, in the order of the text."""
    for name in _parts(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Node))


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, each before its children, in the order of the text."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(tuple(children(current))))


def depth_of(node: Node) -> int:
    """The number of nodes on the longest way down."""
    level, depth = [node], 0
    while level:
        depth += 1
        level = [child for parent in level for child in children(parent)]
    return depth


def rebuild(node: AnyNode, change: Callable[[Node], Node]) -> AnyNode:
    """The tree with every node changed, children before parents; `change` must give a node that fits the same place."""
    changed: dict[str, Any] = {}
    for name in _parts(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            after: object = rebuild(value, change)
        elif isinstance(value, tuple):
            after = _rebuilt(value, change)
        else:
            continue
        if after is not value:
            changed[name] = after
    return cast("AnyNode", change(replace(node, **changed) if changed else node))


def _rebuilt(items: tuple[object, ...], change: Callable[[Node], Node]) -> tuple[object, ...]:
    """The same tuple where no node in it has changed."""
    after = tuple(rebuild(item, change) if isinstance(item, Node) else item for item in items)
    return after if any(new is not old for new, old in zip(after, items, strict=True)) else items
