"""Aggregates of spansets: one number for each set, of the type its values have (floats where they are mixed)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from storage.columns import Column
from tempo_dask.kernels.aggregates import Reduced
from tempo_dask.physical.operands import scalars, values_in
from tempo_dask.physical.spansets import Spansets, UnitScan
from tempo_dask.physical.values import Part, Values
from traceql.ast import Aggregate
from traceql.operators import AggregateFunction
from traceql.types import StaticType

Numbers = npt.NDArray[np.float64]


def aggregate(node: Aggregate, spansets: Spansets, scan: UnitScan) -> Values:
    """Return the aggregate of each set; no value where none of its spans has a number."""
    if node.operand is None:
        return Values(len(spansets.counts), (Part(StaticType.INT, Column(spansets.counts)),))
    values = scalars(values_in(scan.binder.operand(node.operand), "spans", scan.reader))
    by_type: dict[StaticType, Reduced] = {}
    for part in values.parts:
        if part.type.is_numeric:  # a type may come twice: of the span and of its resource
            reduced = _reduced(part, spansets)
            by_type[part.type] = _joined([by_type[part.type], reduced]) if part.type in by_type else reduced
    return Values(len(spansets.sets.traces), tuple(_parts(node.function, by_type)))


def _reduced(part: Part, spansets: Spansets) -> Reduced:
    mask = spansets.mask if part.column.valid is None else spansets.mask & part.column.valid
    return spansets.sets.reduce(part.column.data, mask)


def _parts(function: AggregateFunction, by_type: Mapping[StaticType, Reduced]) -> list[Part]:
    """Return a part for sets of one type each, and one of floats for sets of mixed types."""
    kinds = np.sum([reduced.counts > 0 for reduced in by_type.values()], axis=0) if by_type else np.zeros(0)
    parts = [
        _part(function, type_, reduced, ((reduced.counts > 0) & (kinds == 1)).view(np.uint8))
        for type_, reduced in by_type.items()
    ]
    if len(by_type) > 1:
        parts.append(
            _part(
                function,
                StaticType.FLOAT,
                _joined([_as_floats(reduced) for reduced in by_type.values()]),
                (kinds > 1).view(np.uint8),
            )
        )
    return parts


def _part(function: AggregateFunction, type_: StaticType, reduced: Reduced, valid: npt.NDArray[np.uint8]) -> Part:
    match function:
        case AggregateFunction.MIN:
            return Part(type_, Column(reduced.least, valid))
        case AggregateFunction.MAX:
            return Part(type_, Column(reduced.greatest, valid))
        case AggregateFunction.SUM:
            return Part(type_, Column(reduced.sums, valid))
        case _:
            means = reduced.sums / np.maximum(reduced.counts, 1)
            if type_ is StaticType.DURATION:
                return Part(type_, Column(means.astype(np.int64), valid))
            return Part(StaticType.FLOAT, Column(means, valid))


def _as_floats(reduced: Reduced) -> Reduced:
    """Return integers as floats; sets without values stay neutral."""
    some = reduced.counts > 0
    return Reduced(
        reduced.counts,
        reduced.sums.astype(np.float64),
        np.where(some, reduced.least, np.inf),
        np.where(some, reduced.greatest, -np.inf),
    )


def _joined(found: Sequence[Reduced]) -> Reduced:
    """Return several reductions of one type as one."""
    return Reduced(
        np.sum([reduced.counts for reduced in found], axis=0),
        np.sum([reduced.sums for reduced in found], axis=0),
        np.min([reduced.least for reduced in found], axis=0),
        np.max([reduced.greatest for reduced in found], axis=0),
    )
