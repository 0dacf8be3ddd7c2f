"""Exemplars as they are shown: the spans that were chosen, with their labels and values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tempo_dask.engine.results import Exemplar, Labels
from tempo_dask.physical.display import Display, ShownSpan
from tempo_dask.physical.exemplars import Candidate
from tempo_dask.physical.groups import LabelSet
from tempo_dask.plan.nodes import TimeSeries
from traceql import shown
from traceql.ast import AttributeReference

_NS_PER_S = 1e9

ByLabels = Mapping[LabelSet, Sequence[Exemplar]]


def shown_exemplars(chosen: Iterable[Candidate], display: Display, series: TimeSeries) -> ByLabels:
    """Return the exemplars of each label set, in order of time; their value is what the span itself has."""
    found: dict[LabelSet, list[Exemplar]] = {}
    for candidate in chosen:
        span = display.spans[candidate.unit, candidate.row]
        labels = (("trace:id", candidate.trace_id.hex().lstrip("0")), *_labels(span))
        exemplar = Exemplar(labels, _value(span, series.aggregate.operand), candidate.start_ns)
        found.setdefault(candidate.labels, []).append(exemplar)
    return found


def _labels(span: ShownSpan) -> Labels:
    name = () if span.name is None else (("name", span.name),)
    return (*name, *((shown(attribute), value) for attribute, value in span.attributes))


def _value(span: ShownSpan, operand: AttributeReference | None) -> float:
    """Return the number that the operand has, the span's duration in seconds where it has none."""
    for attribute, value in span.attributes:
        if attribute == operand and isinstance(value, int | float):
            return float(value)
    return span.duration_ns / _NS_PER_S


def step_of(exemplar: Exemplar, start_ns: int, series: TimeSeries) -> int:
    """Return the interval that an exemplar belongs to."""
    return (exemplar.time_ns - start_ns - 1) // series.step_ns
