"""Tables drawn with characters, as the status pages have them."""

from __future__ import annotations

from collections.abc import Sequence


def draw_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with a line around it and below its titles."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    line = "+".join(["", *("-" * (width + 2) for width in widths), ""])
    return "\n".join([line, _row(titles, widths), line, *(_row(row, widths) for row in rows), line]) + "\n"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"| {cell.ljust(width)} " for cell, width in zip(cells, widths, strict=True)) + "|"
