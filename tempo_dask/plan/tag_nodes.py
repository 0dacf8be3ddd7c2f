"""Outputs about tags: the keys that spans have, the values of a key, and which traces carry some tags."""

from __future__ import annotations

from dataclasses import dataclass

from traceql.ast import AttributeReference, FieldExpression
from traceql.attributes import AttributeScope


@dataclass(frozen=True, slots=True)
class TagNames:
    """The keys of attributes in these scopes."""

    scopes: tuple[AttributeScope, ...]


@dataclass(frozen=True, slots=True)
class TagValues:
    """The distinct values that any of the attributes has."""

    attributes: tuple[AttributeReference, ...]


@dataclass(frozen=True, slots=True)
class TaggedTraces:
    """A stage: the traces in which every expression holds for some span, not all of them for the same one.

    Those of `together` hold for spans of one resource.
    """

    anywhere: tuple[FieldExpression, ...]
    together: tuple[FieldExpression, ...] = ()
