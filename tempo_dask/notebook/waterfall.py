"""The waterfall of a trace as SVG: plain text, no scripts, at home in notebooks and pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from tempo_dask.notebook.colours import ERROR, colour_of, ink_on

WIDTH, ROW, LABELS, MARGIN, HEAD = 1000, 20, 330, 12, 52
_CHARACTERS = 50
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """A span: `offset_ns` after the start of the trace, `depth` below its root."""

    service: str
    name: str
    offset_ns: int
    duration_ns: int
    depth: int
    is_error: bool


def waterfall_svg(title: str, bars: Sequence[Bar], total_ns: int, spans: int) -> str:
    """Return the drawing of a trace that takes `total_ns` and has so many spans, of which `bars` are shown."""
    height = HEAD + ROW * len(bars) + MARGIN + (ROW if spans > len(bars) else 0)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    told = f"{spans} spans, {duration(total_ns)}"
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="{MARGIN}" y="20" font-size="13" font-weight="bold" fill="#222">{escape(title)}</text>',
            f'<text x="{WIDTH - MARGIN}" y="20" text-anchor="end" fill="#555">{told}</text>',
            *_ticks(total_ns, height),
            *(_row(bar, place, max(total_ns, 1)) for place, bar in enumerate(bars)),
            _more(spans - len(bars), height),
            "</svg>",
        )
    )


def duration(nanoseconds: int) -> str:
    """Return a duration in the unit in which it reads best.

    >>> duration(1_500), duration(2_340_000), duration(61_000_000_000)
    ('1.5 µs', '2.34 ms', '61 s')
    """
    for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds} ns"


def _x(offset_ns: float, total_ns: int) -> float:
    return LABELS + (WIDTH - LABELS - MARGIN) * offset_ns / total_ns


def _ticks(total_ns: int, height: int) -> Iterator[str]:
    for tick in range(_TICKS + 1):
        x = _x(tick, _TICKS)
        anchor = ("start", "middle", "end")[(tick > 0) + (tick == _TICKS)]
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{HEAD - 8}" y2="{height - MARGIN}" stroke="#e4e4e4"/>'
        label = duration(total_ns * tick // _TICKS) if tick else "0"
        yield f'<text x="{x:.1f}" y="{HEAD - 12}" text-anchor="{anchor}" fill="#777">{label}</text>'


def _row(bar: Bar, place: int, total_ns: int) -> str:
    y = HEAD + ROW * place
    indent = MARGIN + 10 * min(bar.depth, 14)
    x = _x(max(bar.offset_ns, 0), total_ns)
    width = max(_x(bar.offset_ns + bar.duration_ns, total_ns) - x, 1.5)
    told = f"{bar.service} {bar.name}".strip()
    room = _CHARACTERS - (indent - MARGIN) // 6
    label = told if len(told) <= room else f"{told[: room - 1]}…"
    is_left = x + width > WIDTH - 70
    text_x, anchor = (x - 4, "end") if is_left else (x + width + 4, "start")
    if is_left and x < LABELS + 60:  # no room on either side: inside of the bar
        text_x, anchor = x + 4, "start"
    ink = ink_on(colour_of(bar.service)) if text_x > x and is_left else "#555"
    edge = f' stroke="{ERROR}" stroke-width="2"' if bar.is_error else ""
    return (
        f"<g><title>{escape(told)}: {duration(bar.duration_ns)} after {duration(bar.offset_ns)}</title>"
        f'<rect x="{indent}" y="{y + 4}" width="4" height="12" fill="{colour_of(bar.service)}"/>'
        f'<text x="{indent + 8}" y="{y + 14}" fill="{ERROR if bar.is_error else "#222"}">{escape(label)}</text>'
        f'<rect x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="12" rx="2" fill="{colour_of(bar.service)}"{edge}/>'
        f'<text x="{text_x:.1f}" y="{y + 14}" text-anchor="{anchor}" font-size="10" fill="{ink}">'
        f"{duration(bar.duration_ns)}</text></g>"
    )


def _more(spans: int, height: int) -> str:
    return f'<text x="{MARGIN}" y="{height - MARGIN}" fill="#777">and {spans} more spans</text>' if spans > 0 else ""
