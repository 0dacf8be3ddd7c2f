"""Partial results about tags: sets of pairs of texts, cut to what an answer may hold.

What comes first in order is kept, so an answer is the same however the spans are laid out. Parts keep one pair more
than fits: it shows that all behind it were left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

#: Scope and key of a tag, or type and text of a value.
Tag: TypeAlias = tuple[str, str]
Tags: TypeAlias = frozenset[Tag]

#: A character takes at most so many bytes.
_MAX_UTF8 = 4


def join_tags(parts: Iterable[Tags], *, max_bytes: int) -> Tags:
    """Return the pairs of all parts that come first: those that fit into `max_bytes` of text, and the next one.

    0 means that all fit.
    """
    found: Tags = frozenset().union(*parts)
    if not 0 < max_bytes < _MAX_UTF8 * sum(len(first) + len(second) for first, second in found):
        return found
    return frozenset(_first(found, max_bytes))


def fitting_tags(found: Tags, *, max_bytes: int) -> list[Tag]:
    """Return the joined pairs that fit, in order."""
    ordered = sorted(found)
    size_bytes = sum(map(_size_bytes, ordered))
    return ordered[:-1] if 0 < max_bytes < size_bytes else ordered


def _first(found: Tags, max_bytes: int) -> Iterator[Tag]:
    size_bytes = 0
    for tag in sorted(found):
        yield tag
        size_bytes += _size_bytes(tag)
        if size_bytes > max_bytes:
            return


def _size_bytes(tag: Tag) -> int:
    return sum(len(text.encode()) for text in tag)
