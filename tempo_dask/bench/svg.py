"""The few shapes of SVG that the charts are made of, and axes to put them on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

INK, GREY, GRID = "#1f2933", "#66727f", "#dde3e9"
#: Told apart by all who see colours differently, too (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#999999")


@dataclass(frozen=True, slots=True)
class LogAxis:
    """Places values between `low` and `high`, above 0, on pixels from `first` to `last`, tenfold steps evenly."""

    low: float
    high: float
    first: float
    last: float

    def at(self, value: float) -> float:
        """Return the pixel of a value; values beyond the ends lie on them."""
        part = math.log(min(max(value, self.low), self.high) / self.low) / math.log(self.high / self.low)
        return self.first + part * (self.last - self.first)

    def ticks(self) -> Iterator[float]:
        """Yield round values: 1, 2, 5, 10 and so on; of many decades 1, 10, 100."""
        steps = (1, 2, 5) if self.high / self.low < 300 else (1,)
        for decade in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1):
            yield from (tick for step in steps if self.low <= (tick := step * 10.0**decade) <= self.high * 1.0001)


def axis_around(values: Sequence[float], first: float, last: float) -> LogAxis:
    """Return an axis that holds the values with some room; of no values, one from 1 to 10."""
    kept = [value for value in values if value > 0]
    low, high = (min(kept) / 1.3, max(kept) * 1.3) if kept else (1.0, 10.0)
    return LogAxis(low, high, first, last)


def document(width: float, height: float, parts: Sequence[str]) -> str:
    """Return a whole picture on white."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>', *parts, "</svg>", ""])


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = INK, size: int = 12) -> str:
    """Return words whose foot is at a place; `anchor` says which part of them: start, middle or end."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">{escape(words)}</text>'
    )


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = GRID, width: float = 1) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"/>'


def dot(x: float, y: float, *, fill: str, radius: float = 4) -> str:
    """Return a dot."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>'


def path(points: Sequence[tuple[float, float]], *, stroke: str) -> str:
    """Return a line through points."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{stroke}" stroke-width="2"/>'


def short(value: float) -> str:
    """Return a number for a label: three digits, without what says nothing."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
