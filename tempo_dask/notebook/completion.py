"""What may be written at a place of a TraceQL query: attributes of the store, intrinsics, functions, constants."""

from __future__ import annotations

import re
import time
from typing import Protocol

from tempo_dask.errors import TempoDaskError
from traceql.attributes import IntrinsicKind
from traceql.operators import AggregateFunction, MetricsFunction
from traceql.types import Kind, Status

#: Keys are asked for again after so long.
FRESH_S = 30.0
_WORD = re.compile(r"[\w.:/-]*$")
_STAGES = ("by", "coalesce", "select", "compare", "topk", "bottomk")
_FUNCTIONS = [function.value for family in (AggregateFunction, MetricsFunction) for function in family]
_CONSTANTS = ["true", "false", "nil", *(value.name.lower() for family in (Status, Kind) for value in family)]
_INTRINSICS = [name for kind in IntrinsicKind for name in dict.fromkeys((kind.value, kind.scoped_name))]
_SCOPES = ("span", "resource", "event", "link", "instrumentation")
_PLAIN = re.compile(r"[\w.:/-]+")


class HasTags(Protocol):
    """A store that knows the keys of its attributes."""

    def tags(self) -> dict[str, tuple[str, ...]]:
        """Return keys by scope."""
        ...


#: The attributes of the store that was asked last, and when.
_KEPT: dict[int, tuple[HasTags, float, list[str]]] = {}


def word_before(text: str) -> str:
    """Return the word that ends a text.

    >>> word_before("{ span.http.st")
    'span.http.st'
    """
    found = _WORD.search(text)
    return found.group() if found else ""


def completions(store: HasTags, word: str) -> list[str]:
    """Return what begins with a word, attributes first; a store that does not answer knows none."""
    words = [*_attributes(store), *_INTRINSICS, *(f"{name}()" for name in _FUNCTIONS), *_STAGES, *_CONSTANTS]
    return [known for known in dict.fromkeys(words) if known.startswith(word)]


def _attributes(store: HasTags) -> list[str]:
    kept = _KEPT.get(id(store))
    if kept is not None and kept[0] is store and time.monotonic() - kept[1] < FRESH_S:
        return kept[2]
    try:
        tags = store.tags()
    except TempoDaskError:
        return []
    names = [_spelled(scope, key) for scope in _SCOPES for key in tags.get(scope, ())]
    _KEPT.clear()
    _KEPT[id(store)] = (store, time.monotonic(), names)
    return names


def _spelled(scope: str, key: str) -> str:
    """Return an attribute as a query names it, quoted where its key asks for it."""
    return f"{scope}.{key}" if _PLAIN.fullmatch(key) else f'{scope}."{key}"'
