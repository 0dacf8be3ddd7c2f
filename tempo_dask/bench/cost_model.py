"""How long a query takes over so many spans on so many workers: a few costs, fitted to measured runs.

A query's time is a sum of parts, each a cost times how much there is of it:

=================  ==================================================================================================
part               how much of it there is
=================  ==================================================================================================
`plan_s`           scan units in the window: the coordinator decides of each, one after another
`dispatch_s`       once a cluster is asked at all; for each share; for each unit that travels in a share
`scan_s`           once; spans of the busiest thread; more for each sibling (another thread of its process, which
                   waits for the same interpreter) and each neighbour (a process on its machine: the same memory)
`join_s`           shares: what each found is joined by the coordinator
=================  ==================================================================================================

Units are whole and a thread scans one at a time, so the busiest thread has `ceil(units / threads)` of them. Parts are
added up, though they overlap a little: the model is meant to be late rather than early. What it leaves out: machines
that differ, networks that are full, queries that wait for others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Spans of a scan unit, as blocks are written.
UNIT_SPANS = 524_288
#: Shares that a query makes for each thread of a cluster.
SHARES_PER_THREAD = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Spans in a query's window, and who scans them: `workers` with `threads` each; 0 workers: this process alone.

    `neighbours` is how many threads of other processes scan on the same machine.
    """

    spans: int
    workers: int
    threads: int
    neighbours: int

    @classmethod
    def of(cls, spans: int, workers: int, threads: int = 1) -> Layout:
        """Return a layout of workers that share a machine of two cores by twos, as they were measured."""
        return cls(spans, workers, threads, min(1, max(workers - 1, 0)))

    @property
    def siblings(self) -> int:
        """How many more threads of the same process scan."""
        return self.threads - 1

    @property
    def units(self) -> int:
        """Scan units of the window."""
        return -(-self.spans // UNIT_SPANS)

    @property
    def lanes(self) -> int:
        """Threads that scan."""
        return max(self.workers, 1) * self.threads

    @property
    def shares(self) -> int:
        """Pieces of work that travel; none where there is no cluster."""
        return min(self.units, SHARES_PER_THREAD * self.lanes) if self.workers else 0

    @property
    def busiest_spans(self) -> int:
        """Spans that the busiest thread scans."""
        return min(self.spans, -(-self.units // self.lanes) * UNIT_SPANS)


@dataclass(frozen=True, slots=True)
class Run:
    """A measured time: `query` names what was asked, `seconds` is the least of some, which others disturbed least."""

    query: str
    layout: Layout
    seconds: float


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds that any query costs: `unit_s` to plan a unit; of a cluster once, for each share, for each unit in it."""

    unit_s: float = 0.0
    cluster_s: float = 0.0
    share_s: float = 0.0
    travelling_unit_s: float = 0.0

    def plan_s(self, layout: Layout) -> float:
        """Return the seconds of planning."""
        return self.unit_s * layout.units

    def dispatch_s(self, layout: Layout) -> float:
        """Return the seconds until all shares are out and back, were there nothing to do in them."""
        if not layout.workers:
            return 0.0
        return self.cluster_s + self.share_s * layout.shares + self.travelling_unit_s * layout.units


@dataclass(frozen=True, slots=True)
class QueryCost:
    """Seconds of a query: once, for each span, for each span and sibling, and neighbour, for each share joined."""

    once_s: float
    span_s: float
    sibling_s: float
    neighbour_s: float
    share_s: float

    def scan_s(self, layout: Layout) -> float:
        """Return the seconds of the busiest thread."""
        disturbed_s = self.sibling_s * layout.siblings + self.neighbour_s * layout.neighbours
        return self.once_s + layout.busiest_spans * (self.span_s + disturbed_s)

    def join_s(self, layout: Layout) -> float:
        """Return the seconds of joining what shares found."""
        return self.share_s * layout.shares


@dataclass(frozen=True, slots=True)
class Parts:
    """Where a predicted time goes, seconds."""

    plan_s: float
    dispatch_s: float
    scan_s: float
    join_s: float

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.plan_s + self.dispatch_s + self.scan_s + self.join_s

    @property
    def largest(self) -> str:
        """The name of the part that takes most."""
        named = {"plan": self.plan_s, "dispatch": self.dispatch_s, "scan": self.scan_s, "join": self.join_s}
        return max(named, key=named.__getitem__)


@dataclass(frozen=True, slots=True)
class CostModel:
    """What was fitted: `queries` by their names."""

    overhead: Overhead
    queries: Mapping[str, QueryCost]

    def parts(self, query: str, layout: Layout) -> Parts:
        """Return where the time of a query goes. Raises KeyError for one that was not measured."""
        cost = self.queries[query]
        plan_s, dispatch_s = self.overhead.plan_s(layout), self.overhead.dispatch_s(layout)
        return Parts(plan_s, dispatch_s, cost.scan_s(layout), cost.join_s(layout))

    def seconds(self, query: str, layout: Layout) -> float:
        """Return the predicted time of a query."""
        return self.parts(query, layout).total_s

    def errors(self, runs: Iterable[Run]) -> list[float]:
        """Return for each run how far the prediction is off: 0.1 is a tenth too long, -0.1 a tenth too short."""
        return [self.seconds(run.query, run.layout) / run.seconds - 1 for run in runs]

    def best_workers(self, query: str, spans: int, threads: int = 1, most: int = 1_000) -> int:
        """Return the number of workers beyond which more make the query no faster."""
        return min(range(1, most + 1), key=lambda workers: self.seconds(query, Layout.of(spans, workers, threads)))


def fit(overhead: Overhead, runs: Sequence[Run]) -> CostModel:
    """Return a model of the queries of these runs; each run counts alike, however long it took."""
    names = dict.fromkeys(run.query for run in runs)
    return CostModel(
        overhead, {name: _fit_query(overhead, [run for run in runs if run.query == name]) for name in names}
    )


def fit_overhead(planned: Sequence[tuple[int, float]], idle: Sequence[Run]) -> Overhead:
    """Return what any query costs, from (units, seconds) of planning and from runs of a cluster with nothing to do."""
    unit_s = least_costs([(1.0, float(units)) for units, _ in planned], [seconds for _, seconds in planned])[1]
    rows = [(1.0, float(run.layout.shares), float(run.layout.units)) for run in idle]
    cluster_s, share_s, travelling_unit_s = least_costs(rows, [run.seconds for run in idle])
    return Overhead(unit_s, cluster_s, share_s, travelling_unit_s)


def least_costs(
    amounts: Sequence[Sequence[float]], seconds: Sequence[float], wholes: Sequence[float] | None = None
) -> list[float]:
    """Return the costs, none below 0, whose sums over each row of amounts are closest to the seconds.

    How close is measured relative to `wholes`, of which the seconds may be a part; by default they are all. While a
    cost comes out negative, the most negative one is held at 0 and the others are fitted anew.
    """
    weights = 1.0 / np.asarray(seconds if wholes is None else wholes)
    rows: npt.NDArray[np.float64] = np.asarray(amounts, np.float64) * weights[:, None]
    wanted = np.asarray(seconds) * weights
    costs, free = np.zeros(rows.shape[1]), list(range(rows.shape[1]))
    while free:
        scale = np.maximum(np.abs(rows[:, free]).max(axis=0), 1e-300)  # spans and ones differ by many decades
        found = np.linalg.lstsq(rows[:, free] / scale, wanted, rcond=None)[0] / scale
        if (found >= 0).all():
            costs[free] = found
            break
        free.pop(int(np.argmin(found * scale)))
    return [float(cost) for cost in costs]


def _fit_query(overhead: Overhead, runs: Sequence[Run]) -> QueryCost:
    rows, rest = [], []
    for run in runs:
        layout = run.layout
        spans = float(layout.busiest_spans)
        rows.append((1.0, spans, spans * layout.siblings, spans * layout.neighbours, float(layout.shares)))
        known_s = overhead.plan_s(layout) + overhead.dispatch_s(layout)
        rest.append(max(run.seconds - known_s, 0.0))
    return QueryCost(*least_costs(rows, rest, [run.seconds for run in runs]))


def typical_error(errors: Sequence[float]) -> float:
    """Return the median of how far predictions are off, whichever way."""
    return float(np.median(np.abs(errors))) if errors else math.nan
