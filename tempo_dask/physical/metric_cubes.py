"""Partial results of runs of units of sealed blocks as cubes, from which every window with the same steps is cut.

A cube covers all steps that spans of its run may start in, whatever the window, so a dashboard that moves on asks
for the same cubes again. It holds the traces that the run does not share with other sources; which these are is
part of its key.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from storage.cubes import Cube
from tempo_dask.physical.cells import Cells, of_groups_that_occur
from tempo_dask.physical.exemplars import FineCandidates
from tempo_dask.physical.groups import Label, LabelSet
from tempo_dask.physical.metric_functions import metric_function
from tempo_dask.physical.unit_runs import UnitRun
from tempo_dask.plan.nodes import Plan, TimeRange, TimeSeries
from traceql.types import StaticType

#: A cube has at most this many steps, and at most this many times those of the window.
_MOST_STEPS = 20_000
_MOST_TIMES = 16
_CHOSEN = "chosen"
_KEYS = "keys"
#: A cube of more groups is made again rather than read.
_MOST_LABELS = 10_000


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """What the spans of some units give: cells and candidates of exemplars."""

    cells: Cells
    candidates: FineCandidates

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the arrays take."""
        keys = () if self.cells.keys is None else (self.cells.keys,)
        return sum(array.nbytes for array in (*self.cells.planes, *self.candidates.columns, *keys))

    def to_cube(self) -> Cube | None:
        """Return all of it as arrays and a note, None of too many groups."""
        if len(self.cells.labels) > _MOST_LABELS:
            return None
        planes = {f"plane-{number}": plane for number, plane in enumerate(self.cells.planes)}
        keys = {} if self.cells.keys is None else {_KEYS: self.cells.keys}
        note = {
            "labels": _texts(self.cells.labels),
            "exemplars": _texts(self.candidates.labels),
            "first": self.cells.first,
            "is_cut": self.cells.is_cut,
        }
        return Cube({**planes, **keys, _CHOSEN: np.stack(self.candidates.columns)}, json.dumps(note))

    @classmethod
    def of_cube(cls, cube: Cube) -> FoundSeries:
        """Return what a cube was made of."""
        note, arrays = json.loads(cube.note), cube.arrays
        keys = arrays.get(_KEYS)
        planes = tuple(arrays[f"plane-{number}"] for number in range(len(arrays) - (1 if keys is None else 2)))
        slots, hashes, starts, codes, rows = arrays[_CHOSEN]
        fine = FineCandidates(slots, hashes, starts, codes, rows, _labels(note["exemplars"]))
        return cls(Cells(_labels(note["labels"]), planes, keys, note["is_cut"], note["first"]), fine)


@dataclass(frozen=True, slots=True)
class CubeWindow:
    """The steps that a cube covers: the first begins at `start_ns`, on an edge of the window's steps."""

    start_ns: int
    step_ns: int
    count: int

    def of_plan(self, plan: Plan) -> Plan:
        """Return the plan over these steps."""
        window = TimeRange(self.start_ns, self.start_ns + self.count * self.step_ns)
        return replace(plan, window=window)


def cube_window(run: UnitRun, window: TimeRange, series: TimeSeries) -> CubeWindow | None:
    """Return the steps of all spans of a run, None where they are too many to be worth it."""
    if series.step_count < 2:
        return None
    step_ns = series.step_ns
    first = (run.start_ns - 1 - window.start_ns) // step_ns
    last = (run.end_ns - 1 - window.start_ns) // step_ns
    count = last - first + 1
    if count > min(_MOST_STEPS, _MOST_TIMES * series.step_count):
        return None
    return CubeWindow(window.start_ns + first * step_ns, step_ns, count)


def asked_of(plan: Plan, series: TimeSeries, slot_ns: int) -> str:
    """Return all of a query that the cells of a run depend on, but for the window."""
    # Seconds of the window do not matter, but where in a step it begins does.
    offset_ns = plan.window.start_ns % series.step_ns
    return repr((plan.stages, series.aggregate, series.is_exact, series.step_ns, offset_ns, slot_ns))


def cube_key(run: UnitRun, asked: str) -> str:
    """Return what tells cubes of a block apart."""
    excluded = np.concatenate([unit.excluded for unit in run.units])
    numbers = f"{run.units[0].unit} {len(run.units)}"
    return hashlib.sha256(f"{numbers} {asked}".encode() + excluded.tobytes()).hexdigest()[:40]


def cut(whole: FoundSeries, covered: CubeWindow, window: TimeRange, series: TimeSeries, slot_ns: int) -> FoundSeries:
    """Return the part that lies in a window; a whole whose cells are sparse is cut as well."""
    offset = (covered.start_ns - window.start_ns) // series.step_ns
    fine = whole.candidates
    if slot_ns:
        per_step = series.step_ns // slot_ns
        fine = fine.moved(offset * per_step, series.step_count * per_step)
    found = whole.cells
    dense = found.keys is None
    cells = _cells(found, offset + found.first, series) if dense else _sparse(found, covered, offset, series)
    return FoundSeries(cells, fine)


def _sparse(found: Cells, covered: CubeWindow, offset: int, series: TimeSeries) -> Cells:
    parts = metric_function(series).parts
    keys = found.keys if found.keys is not None else np.zeros(0, np.int64)
    cells = keys // parts
    groups, steps = cells // covered.count, cells % covered.count + offset
    inside = np.flatnonzero((steps >= 0) & (steps < series.step_count))
    moved = keys + (groups * series.step_count + steps - cells) * parts
    planes = tuple(plane[inside] for plane in found.planes)
    return replace(
        of_groups_that_occur(found.labels, moved[inside], planes, series.step_count * parts), is_cut=found.is_cut
    )


def _cells(dense: Cells, offset: int, series: TimeSeries) -> Cells:
    """Return planes over steps of the window: `offset` is the step of the first of theirs."""
    labels, planes = dense.labels, dense.planes
    if not labels:
        return Cells()
    first, stop = max(-offset, 0), min(dense.width, series.step_count - offset)
    if first >= stop:
        return Cells()
    used = np.flatnonzero(planes[-1][:, first:stop].reshape(len(labels), -1).any(axis=1))
    return Cells(
        tuple(labels[row] for row in used.tolist()),
        tuple(plane[used, first:stop] for plane in planes),
        first=first + offset,
    )


def _texts(labels: tuple[LabelSet, ...]) -> list[list[list[Any] | None]]:
    return [[None if label is None else [label[0].name, label[1]] for label in found] for found in labels]


def _labels(texts: list[list[list[Any] | None]]) -> tuple[LabelSet, ...]:
    return tuple(tuple(_label(label) for label in found) for found in texts)


def _label(text: list[Any] | None) -> Label:
    return None if text is None else (StaticType[text[0]], text[1])
