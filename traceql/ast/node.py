"""What every node of the tree shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class SourceRange(NamedTuple):
    """A piece of query text: character offsets [start, end), and line and column (from 1) of its start."""

    start: int
    end: int
    line: int
    column: int


NOWHERE = SourceRange(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Node:
    """A frozen part of a query. Two nodes are equal when they mean the same text, wherever it stood."""

    position: SourceRange = field(default=NOWHERE, compare=False, repr=False, kw_only=True)
