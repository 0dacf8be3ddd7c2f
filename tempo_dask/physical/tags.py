"""Partial results about tags: sets of pairs of texts, cut to what an answer may hold.

What is kept comes first in order, so the same pairs are kept however the spans are laid out: before a pair that is
left out of a part there is enough in the whole too.
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
    """Return the pairs of all parts that come first, as many as `max_bytes` of text hold (0: all)."""
    found: Tags = frozenset().union(*parts)
    if not 0 < max_bytes < _MAX_UTF8 * sum(len(first) + len(second) for first, second in found):
        return found
    return frozenset(_first(found, max_bytes))


def _first(found: Tags, max_bytes: int) -> Iterator[Tag]:
    size_bytes = 0
    for first, second in sorted(found):
        size_bytes += len(first.encode()) + len(second.encode())
        if size_bytes > max_bytes:
            return
        yield first, second
