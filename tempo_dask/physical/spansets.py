"""The state between two stages: which spans of a unit are still in, and to which spanset each belongs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.traces import spread
from tempo_dask.physical.binder import Binder
from tempo_dask.physical.reader import UnitReader
from tempo_dask.physical.units import ScanUnit
from tempo_dask.plan.nodes import TimeRange


@dataclass(frozen=True, slots=True)
class UnitScan:
    """What stages need to know of the unit they run on."""

    reader: UnitReader
    binder: Binder

    @classmethod
    def of(cls, unit: ScanUnit) -> UnitScan:
        """Return a scan of the unit that has read nothing yet."""
        return cls(UnitReader(unit.source, unit.unit), Binder(unit.source.meta))


@dataclass(frozen=True, slots=True)
class Spansets:
    """The spansets of the traces of a unit, one for each trace: the spans where `mask` is 1."""

    mask: Mask

    @property
    def is_empty(self) -> bool:
        """Whether no span is left."""
        return not self.mask.any()


def all_spans(unit: ScanUnit, scan: UnitScan, window: TimeRange | None) -> Spansets:
    """Return every span of the traces of the unit that overlap the window (all where it is None)."""
    eligible = None if window is None else _overlapping(unit, scan.reader, window)
    if len(unit.excluded):
        eligible = np.ones(scan.reader.row_count("traces"), np.uint8) if eligible is None else eligible
        eligible[unit.excluded - unit.meta.first_trace] = 0
    if eligible is None:
        return Spansets(np.ones(scan.reader.row_count("spans"), np.uint8))
    return Spansets(spread(eligible, scan.reader.offsets))


def _overlapping(unit: ScanUnit, reader: UnitReader, window: TimeRange) -> Mask | None:
    """Return the traces that overlap the window, None where all do."""
    if unit.meta.start_ns >= window.start_ns and unit.meta.end_ns <= window.end_ns:
        return None
    starts: npt.NDArray[np.int64] = reader.data("traces", "start")
    ends: npt.NDArray[np.int64] = reader.data("traces", "end")
    return ((starts <= window.end_ns) & (ends >= window.start_ns)).view(np.uint8)
