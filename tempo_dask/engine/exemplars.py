"""Exemplars as they are shown: the spans that were chosen, with their labels and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tempo_dask.engine.results import Exemplar
from tempo_dask.physical.exemplars import Candidates
from tempo_dask.physical.groups import LabelSet
from tempo_dask.physical.shown_exemplars import ShownExemplar, ShownExemplars
from tempo_dask.plan.nodes import TimeSeries
from traceql import shown
from traceql.ast import AttributeReference

_NS_PER_S = 1e9

ByLabels = Mapping[LabelSet, Sequence[Exemplar]]


def answered_exemplars(chosen: Candidates, found: ShownExemplars, series: TimeSeries) -> ByLabels:
    """Return the exemplars of each label set, in order of time; their value is what the span itself has."""
    by_labels: dict[LabelSet, list[Exemplar]] = {}
    names: dict[int, str] = {}  # by id: few attributes stand in many spans, and to hash one takes as long as to show it
    for candidate in chosen:
        span = found[candidate.place]
        for attribute, _ in span.attributes:
            if id(attribute) not in names:
                names[id(attribute)] = shown(attribute)
        pairs = ((names[id(attribute)], value) for attribute, value in span.attributes)
        labels = (("trace:id", span.trace_id.hex().lstrip("0")), *pairs)
        exemplar = Exemplar(labels, _value(span, series.aggregate.operand), candidate.start_ns)
        by_labels.setdefault(candidate.labels, []).append(exemplar)
    return by_labels


def _value(span: ShownExemplar, operand: AttributeReference | None) -> float:
    """Return the number that the operand has, the span's duration in seconds where it has none."""
    for attribute, value in span.attributes if operand is not None else ():
        if attribute == operand and isinstance(value, int | float):
            return float(value)
    return span.duration_ns / _NS_PER_S


def step_of(exemplar: Exemplar, start_ns: int, series: TimeSeries) -> int:
    """Return the interval that an exemplar belongs to."""
    return (exemplar.time_ns - start_ns - 1) // series.step_ns
