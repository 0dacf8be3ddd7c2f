"""What a run of the suite took: medians with their spread, ratios, answers, errors; as JSON and as rows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from tempo_dask.bench.answers import Counts, differences
from tempo_dask.bench.shapes import Kind, Shape, Window
from tempo_dask.bench.target import Target

VERSION = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of several values."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Return the spread of values, None of none."""
        if len(values) < 2:
            return cls(*values, *values, *values) if values else None
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(low, median, high)


@dataclass(frozen=True, slots=True)
class Taken:
    """One question at one target: `seconds` round by round, None where it failed; `first_s` before the rounds."""

    shape: Shape
    target: str
    first_s: float | None
    seconds: tuple[float | None, ...]
    counts: Counts
    errors: tuple[str, ...] = ()

    @property
    def spread(self) -> Spread | None:
        """Seconds of the rounds that were answered."""
        return Spread.of([seconds for seconds in self.seconds if seconds is not None])

    def over(self, other: Taken) -> Spread | None:
        """Return how many times as long it took as another, round by round: what disturbs a round disturbs both."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return Spread.of([mine / theirs for mine, theirs in pairs if mine is not None and theirs])


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run. `taken` has all targets of the first question, then all of the second; the first target leads."""

    targets: tuple[Target, ...]
    window: Window
    taken: tuple[Taken, ...]
    about: Mapping[str, str]

    def by_shape(self) -> list[tuple[Taken, ...]]:
        """Return what each question took, all targets together, in the order of the targets."""
        width = len(self.targets)
        return [self.taken[first : first + width] for first in range(0, len(self.taken), width)]

    def mean_ratio(self, target: str) -> float | None:
        """Return the geometric mean of how many times as long as the first a target took."""
        ratios = [row[self._place(target)].over(row[0]) for row in self.by_shape()]
        return _geometric_mean([ratio.median for ratio in ratios if ratio])

    def mean_s(self, target: str) -> float | None:
        """Return the geometric mean of a target's medians, seconds."""
        spreads = [row[self._place(target)].spread for row in self.by_shape()]
        return _geometric_mean([spread.median for spread in spreads if spread])

    def differing(self) -> list[tuple[Taken, Taken, tuple[str, ...]]]:
        """Return where a target answered otherwise than the first: the two, and what differs."""
        pairs = ((row[0], other) for row in self.by_shape() for other in row[1:])
        found = ((one, other, differences(one.counts, other.counts)) for one, other in pairs)
        return [(one, other, names) for one, other, names in found if names]

    def failing(self) -> list[Taken]:
        """Return what was not answered at least once."""
        return [taken for taken in self.taken if taken.errors]

    def to_json(self) -> bytes:
        """Return all of it; `from_json` reads it."""
        return orjson.dumps({"version": VERSION, **asdict(self)}, option=orjson.OPT_INDENT_2)

    @classmethod
    def from_json(cls, text: bytes) -> Results:
        """Return what `to_json` wrote. Raises ValueError for anything else."""
        read = orjson.loads(text)
        if read.pop("version", None) != VERSION:
            raise ValueError(f"expected the JSON of `tempo-dask bench`, version {VERSION}")
        return cls(
            tuple(Target(**target) for target in read["targets"]),
            Window(**read["window"]),
            tuple(_taken(taken) for taken in read["taken"]),
            read["about"],
        )

    def records(self) -> list[dict[str, Any]]:
        """Return a row for each question and target, times in milliseconds: `pandas.DataFrame(results.records())`."""
        return [_record(taken, row[0]) for row in self.by_shape() for taken in row]

    def _place(self, target: str) -> int:
        return [known.name for known in self.targets].index(target)


def _taken(read: dict[str, Any]) -> Taken:
    shape = read.pop("shape")
    shape["kind"] = Kind(shape["kind"])
    return Taken(Shape(**shape), **{**read, "seconds": tuple(read["seconds"]), "errors": tuple(read["errors"])})


def _record(taken: Taken, first: Taken) -> dict[str, Any]:
    spread, ratio = taken.spread, taken.over(first)
    return {
        "kind": str(taken.shape.kind),
        "name": taken.shape.name,
        "target": taken.target,
        "median_ms": spread and 1000 * spread.median,
        "low_ms": spread and 1000 * spread.low,
        "high_ms": spread and 1000 * spread.high,
        "first_ms": taken.first_s and 1000 * taken.first_s,
        "ratio": ratio and ratio.median,
        "answers": dict(taken.counts),
        "errors": len(taken.errors),
        "query": taken.shape.query,
    }


def _geometric_mean(values: Sequence[float]) -> float | None:
    return math.exp(statistics.fmean(map(math.log, values))) if values else None
