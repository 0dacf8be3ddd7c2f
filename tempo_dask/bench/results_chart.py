"""Results as a picture: a row for each question, a dot for each target's median, a bar over its middle half."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tempo_dask.bench.results import Results, Taken
from tempo_dask.bench.svg import COLOURS, GREY, INK, LogAxis, axis_around, document, dot, line, short, text

WIDTH, LEFT, RIGHT = 940, 230, 250
TOP, ROW = 74, 24


def results_svg(results: Results) -> str:
    """Return results as SVG: milliseconds on a logarithmic axis, to its right the medians and ratios."""
    rows = results.by_shape()
    bottom = TOP + ROW * len(rows)
    spreads = [taken.spread for taken in results.taken]
    ends = [1000 * end for spread in spreads if spread for end in (spread.low, spread.high)]
    axis = axis_around(ends, LEFT, WIDTH - RIGHT)
    parts = [*_head(results), *_grid(axis, bottom)]
    for number, row in enumerate(rows):
        parts.extend(_row(row, axis, TOP + ROW * (number + 0.5)))
    parts.append(text(LEFT, bottom + 36, _about(results), fill=GREY, size=11))
    return document(WIDTH, bottom + 50, parts)


def _head(results: Results) -> Iterator[str]:
    yield text(12, 24, "TraceQL: milliseconds until the whole answer is here", size=16)
    x = 12.0
    for number, target in enumerate(results.targets):
        ratio = results.mean_ratio(target.name) if number else None
        label = f"{target.name} ({ratio:.2f} x on the whole)" if ratio else target.name
        yield dot(x + 5, 44, fill=COLOURS[number % len(COLOURS)], radius=5)
        yield text(x + 16, 48, label)
        x += 40 + 7 * len(label)
    yield text(WIDTH - RIGHT + 20, TOP - 8, "median ms", fill=GREY, size=11)
    if len(results.targets) > 1:
        yield text(WIDTH - 12, TOP - 8, "times the first", anchor="end", fill=GREY, size=11)


def _grid(axis: LogAxis, bottom: float) -> Iterator[str]:
    for tick in axis.ticks():
        yield line(axis.at(tick), TOP, axis.at(tick), bottom)
        yield text(axis.at(tick), bottom + 16, short(tick), anchor="middle", fill=GREY, size=11)
    yield text(axis.first - 12, bottom + 16, "ms", anchor="end", fill=GREY, size=11)


def _row(row: Sequence[Taken], axis: LogAxis, y: float) -> Iterator[str]:
    yield text(LEFT - 12, y + 4, row[0].shape.name, anchor="end")
    offsets = [6.0 * (place - (len(row) - 1) / 2) for place in range(len(row))]
    for number, (taken, offset) in enumerate(zip(row, offsets, strict=True)):
        if spread := taken.spread:
            colour = COLOURS[number % len(COLOURS)]
            low, high = axis.at(1000 * spread.low), axis.at(1000 * spread.high)
            yield line(low, y + offset, high, y + offset, stroke=colour, width=3)
            yield dot(axis.at(1000 * spread.median), y + offset, fill=colour)
    yield text(WIDTH - RIGHT + 20, y + 4, " | ".join(_median(taken) for taken in row), fill=INK)
    yield text(WIDTH - 12, y + 4, " | ".join(_ratio(taken, row[0]) for taken in row[1:]), anchor="end", fill=INK)


def _median(taken: Taken) -> str:
    return short(1000 * taken.spread.median) if taken.spread else "failed"


def _ratio(taken: Taken, first: Taken) -> str:
    ratio = taken.over(first)
    return f"{ratio.median:.2f}" if ratio else "-"


def _about(results: Results) -> str:
    rounds = max((len(taken.seconds) for taken in results.taken), default=0)
    of_set = f"{results.about['set']}; " if "set" in results.about else ""
    return f"{of_set}{rounds} rounds, bars hold the middle half; {results.about['at']}, load {results.about['load']}"
