"""What a metrics function must say, so that its cells can be filled, joined and turned into samples anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.groups import Groups
from tempo_dask.physical.shown_values import Shown
from tempo_dask.physical.values import Values
from tempo_dask.plan.nodes import TimeSeries

Cells: TypeAlias = npt.NDArray[Any]
#: One array of cells for each plane, first axis groups, second steps.
Planes: TypeAlias = tuple[Cells, ...]
#: Labels that a function adds behind those of `by`, and a sample for each group and step (NaN for none).
Samples: TypeAlias = tuple[tuple[tuple[str, Shown], ...], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Spans:
    """The spans of a unit that count: those where `mask` is 1 and the step is not -1."""

    mask: Mask
    steps: npt.NDArray[np.int32]
    step_count: int
    groups: Groups


@dataclass(frozen=True, slots=True)
class Plane:
    """One number per cell; two partial results are joined by `join`, `empty` is what nothing gives."""

    join: np.ufunc
    empty: float
    dtype: type[np.int64 | np.float64]
    bins: tuple[int, ...] = ()

    def of(self, groups: int, steps: int) -> Cells:
        """Return empty cells."""
        return np.full((groups, steps, *self.bins), self.empty, self.dtype)


@dataclass(frozen=True, slots=True)
class MetricFunction:
    """A function over time.

    `fill` makes the cells of the spans of one unit (with the operand's values over spans, None for functions
    without operand); a group occurs where the last plane, which counts, is not all zero. `finish` turns joined
    cells into samples.
    """

    planes: tuple[Plane, ...]
    fill: Callable[[Spans, Values | None], Planes]
    finish: Callable[[Planes, TimeSeries], Iterable[Samples]]
