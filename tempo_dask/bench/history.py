"""Runs over time: each appended to a file as a line of JSON, all of one data set drawn as a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tempo_dask.bench.results import Results
from tempo_dask.bench.svg import COLOURS, GREY, LogAxis, axis_around, document, dot, line, path, short, text
from tempo_dask.errors import BadRequest

WIDTH, HEIGHT = 940, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 60, 300
LABEL = 15.0
#: So many of the newest runs are drawn.
SHOWN = 40


@dataclass(frozen=True, slots=True)
class Run:
    """One run at its first target: milliseconds by kind and question, and what `about` says of the machine."""

    about: Mapping[str, str]
    median_ms: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, results: Results) -> Run:
        """Return what is kept of results."""
        kept: dict[str, dict[str, float]] = {}
        for first, *_ in results.by_shape():
            if first.spread:
                kept.setdefault(str(first.shape.kind), {})[first.shape.name] = round(1000 * first.spread.median, 3)
        return cls(dict(results.about), kept)

    def mean_ms(self, kind: str) -> float | None:
        """Return the geometric mean of the medians of a kind."""
        values = [value for value in self.median_ms.get(kind, {}).values() if value > 0]
        return math.exp(statistics.fmean(map(math.log, values))) if values else None


def append(file: Path, results: Results) -> list[Run]:
    """Add a run to the file, which may not be there yet; return all of it. Raises BadRequest for another file."""
    runs = [*read(file), Run.of(results)]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as lines:
        lines.write(orjson.dumps(asdict(runs[-1])) + b"\n")
    return runs


def read(file: Path) -> list[Run]:
    """Return the runs of a file, the oldest first; none where there is no file. Raises BadRequest."""
    if not file.exists():
        return []
    try:
        return [Run(**orjson.loads(line)) for line in file.read_bytes().splitlines()]
    except (orjson.JSONDecodeError, TypeError) as error:
        raise BadRequest(f"{file} is no history of `tempo-dask bench`: {error}") from error


def history_svg(runs: Sequence[Run]) -> str:
    """Return the newest runs over the same set as the last one: a line for each kind of question."""
    last_set = runs[-1].about.get("set") if runs else None
    shown = [run for run in runs if run.about.get("set") == last_set][-SHOWN:]
    kinds = list(dict.fromkeys(kind for run in shown for kind in run.median_ms))
    values = [mean for run in shown for kind in kinds if (mean := run.mean_ms(kind))]
    axis = axis_around(values, BOTTOM, TOP)
    parts = [text(12, 24, "TraceQL over time: geometric mean of the medians, ms", size=16), *_grid(axis, shown)]
    ends: dict[str, float] = {}
    for number, kind in enumerate(kinds):
        means = [run.mean_ms(kind) for run in shown]
        parts.extend(_line(COLOURS[number % len(COLOURS)], means, axis))
        ends[kind] = next((mean for mean in reversed(means) if mean), 0.0)
    parts.extend(_labels(ends, axis))
    parts.append(text(12, HEIGHT - 12, f"{last_set or ''}; below each date: load of the machine", fill=GREY, size=11))
    return document(WIDTH, HEIGHT, parts)


def _grid(axis: LogAxis, shown: Sequence[Run]) -> Iterator[str]:
    for tick in axis.ticks():
        yield line(LEFT, axis.at(tick), WIDTH - RIGHT, axis.at(tick))
        yield text(LEFT - 8, axis.at(tick) + 4, short(tick), anchor="end", fill=GREY, size=11)
    every = max(1, len(shown) // 8)
    for number, run in enumerate(shown[::every]):
        x = _x(number * every, len(shown))
        yield text(x, BOTTOM + 18, run.about.get("at", "")[:10], anchor="middle", fill=GREY, size=11)
        yield text(x, BOTTOM + 32, run.about.get("load", ""), anchor="middle", fill=GREY, size=11)


def _line(colour: str, means: Sequence[float | None], axis: LogAxis) -> Iterator[str]:
    points = [(_x(number, len(means)), axis.at(mean)) for number, mean in enumerate(means) if mean]
    if len(points) > 1:
        yield path(points, stroke=colour)
    yield from (dot(x, y, fill=colour) for x, y in points)


def _labels(ends: Mapping[str, float], axis: LogAxis) -> Iterator[str]:
    """Yield the name of each line beside its end, or as far below as the one above it needs."""
    colours = {kind: COLOURS[number % len(COLOURS)] for number, kind in enumerate(ends)}
    above = 0.0
    for kind, mean in sorted(ends.items(), key=lambda end: -end[1]):
        above = max(axis.at(mean) + 4 if mean else BOTTOM, above + LABEL)
        told = f"{kind} {short(mean)} ms" if mean else kind
        yield text(WIDTH - RIGHT + 14, above, told, fill=colours[kind])


def _x(number: int, count: int) -> float:
    return LEFT + 40 + (WIDTH - LEFT - RIGHT - 60) * (number / (count - 1) if count > 1 else 0.5)
