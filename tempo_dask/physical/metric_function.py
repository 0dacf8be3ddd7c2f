"""What a metrics function must say, so that its cells can be filled, joined and turned into samples anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import cells_of
from tempo_dask.physical.groups import Groups
from tempo_dask.physical.shown_values import Shown
from tempo_dask.physical.values import Part, Values
from tempo_dask.plan.nodes import TimeSeries

Cells: TypeAlias = npt.NDArray[Any]
#: One array of cells for each plane, first axis groups, second steps.
Planes: TypeAlias = tuple[Cells, ...]
#: Labels that a function adds behind those of `by`, and a sample for each group and step (NaN for none).
Samples: TypeAlias = tuple[tuple[tuple[str, Shown], ...], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Spans:
    """The spans of a unit that count: those where `mask` is 1 and that start within the steps."""

    mask: Mask
    starts: npt.NDArray[np.int64]
    groups: Groups
    start_ns: int
    step_ns: int
    step_count: int

    @property
    def shape(self) -> tuple[int, int]:
        """Groups and steps."""
        return len(self.groups.labels), self.step_count

    @property
    def cells(self) -> npt.NDArray[np.int64]:
        """The cell of each span, group by group, -1 for none."""
        steps = (self.start_ns, self.step_ns, self.step_count)
        return cells_of(self.starts, self.groups.rows, self.groups.numbers, steps)

    def mask_of(self, part: Part) -> Mask:
        """Return which spans count and have a value of this type."""
        return self.mask if part.column.valid is None else self.mask & part.column.valid


@dataclass(frozen=True, slots=True)
class Plane:
    """A number, or several in bins, for each cell; `empty` is what no span gives."""

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
    without operand); a group occurs where the last plane, which counts, is not all zero. `join` is associative
    and commutative, cell by cell. `finish` turns joined cells into samples. `is_valued` says that exemplars are
    worth what the span has, not what the sample says. A cell of a function with `parts` is divided into so many, of
    which only those are kept that count something: its tables are always sparse.
    """

    planes: tuple[Plane, ...]
    fill: Callable[[Spans, Values | None], Planes]
    join: Callable[[Planes, Planes], Planes]
    finish: Callable[[Planes, TimeSeries], Iterable[Samples]]
    is_valued: bool = False
    parts: int = 1


def add_planes(some: Planes, more: Planes) -> Planes:
    """Join by adding."""
    return tuple(one + other for one, other in zip(some, more, strict=True))
