"""Partial results of units of sealed blocks as cubes, from which every window with the same steps is cut.

A cube covers all steps that spans of its unit may start in, whatever the window, so a dashboard that moves on asks
for the same cubes again. It holds the traces that the unit does not share with other sources; which these are is
part of its key.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.cubes import Cube
from tempo_dask.physical.cells import Cells
from tempo_dask.physical.exemplars import FineCandidates
from tempo_dask.physical.groups import Label, LabelSet
from tempo_dask.physical.metric_functions import metric_function
from tempo_dask.physical.units import ScanUnit
from tempo_dask.plan.nodes import Plan, TimeRange, TimeSeries
from traceql.types import StaticType

#: A cube has at most this many steps, and at most this many times those of the window.
_MOST_STEPS = 20_000
_MOST_TIMES = 16


@dataclass(frozen=True, slots=True)
class UnitSeries:
    """What the spans of one unit give: cells, candidates of exemplars, how many spans were looked at."""

    cells: Cells
    candidates: FineCandidates
    inspected_spans: int


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


def cube_window(unit: ScanUnit, window: TimeRange, series: TimeSeries) -> CubeWindow | None:
    """Return the steps of all spans of a unit, None where they are too many to be worth it."""
    if series.step_count < 2:
        return None
    step_ns = series.step_ns
    first = (unit.meta.start_ns - 1 - window.start_ns) // step_ns
    last = (unit.meta.end_ns - 1 - window.start_ns) // step_ns
    count = last - first + 1
    if count > min(_MOST_STEPS, _MOST_TIMES * series.step_count):
        return None
    return CubeWindow(window.start_ns + first * step_ns, step_ns, count)


def cube_key(unit: ScanUnit, plan: Plan, series: TimeSeries, slot_ns: int) -> str:
    """Return what tells cubes of a block apart: all that their cells depend on."""
    # Seconds of the window do not matter, but where in a step it begins does.
    asked = (plan.stages, series.aggregate, series.is_exact, series.step_ns, plan.window.start_ns % series.step_ns)
    text = repr((unit.unit, asked, slot_ns)).encode() + unit.excluded.tobytes()
    return hashlib.sha256(text).hexdigest()[:40]


def to_cube(found: UnitSeries) -> Cube | None:
    """Return a partial result as a cube, None where it is sparse."""
    if found.cells.keys is not None:
        return None
    planes = {f"plane-{number}": plane for number, plane in enumerate(found.cells.planes)}
    fine = found.candidates
    chosen = {"slots": fine.slots, "hashes": fine.hashes, "starts": fine.starts, "codes": fine.codes, "rows": fine.rows}
    note = {"labels": _texts(found.cells.labels), "exemplars": _texts(fine.labels), "spans": found.inspected_spans}
    return Cube({**planes, **chosen}, json.dumps(note))


def cut(cube: Cube, covered: CubeWindow, window: TimeRange, series: TimeSeries, slot_ns: int) -> UnitSeries:
    """Return the part of a cube that lies in a window."""
    note = json.loads(cube.note)
    offset = (covered.start_ns - window.start_ns) // series.step_ns
    arrays = cube.arrays
    numbers = range(sum(name.startswith("plane-") for name in arrays))
    cells = _cells(_labels(note["labels"]), [arrays[f"plane-{number}"] for number in numbers], offset, series)
    slots = arrays["slots"] + (offset * (series.step_ns // slot_ns) if slot_ns else 0)
    most = series.step_count * (series.step_ns // slot_ns) if slot_ns else 0
    inside = (slots >= 0) & (slots < most)
    fine = FineCandidates(
        slots[inside],
        arrays["hashes"][inside],
        arrays["starts"][inside],
        arrays["codes"][inside],
        arrays["rows"][inside],
        _labels(note["exemplars"]),
    )
    return UnitSeries(cells, fine, note["spans"])


def _cells(labels: tuple[LabelSet, ...], planes: list[npt.NDArray[Any]], offset: int, series: TimeSeries) -> Cells:
    """Return planes over the steps of the window: `offset` is the step of the first of theirs."""
    if not labels:
        return Cells()
    count = planes[0].shape[1]
    first, stop = max(-offset, 0), min(count, series.step_count - offset)
    if first >= stop:
        return Cells()
    used = np.flatnonzero(planes[-1][:, first:stop].reshape(len(labels), -1).any(axis=1))
    found = []
    for plane, empty in zip(planes, _empties(series), strict=True):
        whole = np.full((len(used), series.step_count, *plane.shape[2:]), empty, plane.dtype)
        whole[:, first + offset : stop + offset] = plane[used, first:stop]
        found.append(whole)
    return Cells(tuple(labels[row] for row in used.tolist()), tuple(found))


def _texts(labels: tuple[LabelSet, ...]) -> list[list[list[Any] | None]]:
    return [[None if label is None else [label[0].name, label[1]] for label in found] for found in labels]


def _labels(texts: list[list[list[Any] | None]]) -> tuple[LabelSet, ...]:
    return tuple(tuple(_label(label) for label in found) for found in texts)


def _label(text: list[Any] | None) -> Label:
    return None if text is None else (StaticType[text[0]], text[1])


def _empties(series: TimeSeries) -> list[float]:
    return [plane.empty for plane in metric_function(series).planes]
