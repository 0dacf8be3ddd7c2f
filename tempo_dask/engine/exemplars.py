"""Exemplars as they are shown: the spans that were chosen, with their labels and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tempo_dask.engine.results import Exemplar
from tempo_dask.physical.exemplars import Candidates
from tempo_dask.physical.groups import LabelSet
from tempo_dask.physical.shown_exemplars import ShownExemplars
from tempo_dask.plan.nodes import TimeSeries

ByLabels = Mapping[LabelSet, Sequence[Exemplar]]


def answered_exemplars(chosen: Candidates, found: ShownExemplars) -> ByLabels:
    """Return the exemplars of each label set, in order of time; their value is what the span itself has."""
    by_labels: dict[LabelSet, list[Exemplar]] = {}
    for candidate in chosen:
        span = found[candidate.place]
        by_labels.setdefault(candidate.labels, []).append(Exemplar(span.labels, span.value, candidate.start_ns))
    return by_labels


def step_of(exemplar: Exemplar, start_ns: int, series: TimeSeries) -> int:
    """Return the interval that an exemplar belongs to."""
    return (exemplar.time_ns - start_ns - 1) // series.step_ns
