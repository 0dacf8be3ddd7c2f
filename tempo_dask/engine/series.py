"""Series as they are answered: cells become samples, groups become labels, exemplars find their series."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tempo_dask.engine.exemplars import ByLabels, step_of
from tempo_dask.engine.labels import SeriesNames, group_order, series_order
from tempo_dask.engine.results import Exemplar, Series
from tempo_dask.physical.cells import Cells, answerable
from tempo_dask.physical.groups import LabelSet
from tempo_dask.physical.metric_function import Samples
from tempo_dask.physical.metric_functions import metric_function
from tempo_dask.physical.metric_sketch import is_sketched, sketch_quantiles
from tempo_dask.plan.nodes import Plan, TimeSeries


def finished_series(found: Cells, plan: Plan, series: TimeSeries, exemplars: ByLabels) -> list[Series]:
    """Return the series that have a sample, in the order in which they are shown."""
    answer = []
    names = SeriesNames.of(series.aggregate)
    labels_found, samples = _samples(found, series)
    for row, labels in sorted(enumerate(labels_found), key=lambda row: group_order(row[1])):
        members = [(added, values[row]) for added, values in samples if not np.isnan(values[row]).all()]
        shared = _shared_out(exemplars.get(labels, ()), [values for _, values in members], plan, series)
        for (added, values), its_exemplars in zip(members, shared, strict=True):
            answer.append(Series(names.labels(labels, added), values, its_exemplars))
    return sorted(answer, key=series_order)


def _samples(found: Cells, series: TimeSeries) -> tuple[tuple[LabelSet, ...], list[Samples]]:
    """Return the label sets, and the samples of each of them for each series that they have."""
    function, steps = metric_function(series), series.step_count
    kept = answerable(function, found, steps)
    if is_sketched(series):
        return kept.labels, sketch_quantiles(kept, series)
    return kept.labels, list(function.finish(kept.dense(function, steps), series))


def _shared_out(
    exemplars: Sequence[Exemplar], members: Sequence[npt.NDArray[np.float64]], plan: Plan, series: TimeSeries
) -> list[tuple[Exemplar, ...]]:
    """Give each exemplar to one of the series of its group: to the one whose sample is nearest to its value.

    Where a sample only counts spans, exemplars take its value.
    """
    if not exemplars or not members:
        return [()] * len(members)
    found: list[list[Exemplar]] = [[] for _ in members]
    is_valued, start_ns = metric_function(series).is_valued, plan.window.start_ns
    for exemplar in exemplars:
        if is_valued:
            nearest = 0 if len(members) == 1 else _nearest(members, step_of(exemplar, start_ns, series), exemplar.value)
            found[nearest].append(exemplar)
        else:
            count = float(members[0][step_of(exemplar, start_ns, series)])
            found[0].append(Exemplar(exemplar.labels, count, exemplar.time_ns))
    return [tuple(given) for given in found]


def _nearest(members: Sequence[npt.NDArray[np.float64]], step: int, value: float) -> int:
    """Return which of several series has the sample that is nearest to a value; those that have none come last."""
    distances = [abs(float(values[step]) - value) for values in members]
    return min(range(len(members)), key=lambda member: (math.isnan(distances[member]), distances[member]))
