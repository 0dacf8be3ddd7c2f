"""The logical plan: a window of time, the stages that spansets pass, and the output made of what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from tempo_dask.plan.tag_nodes import TaggedTraces, TagNames, TagValues
from traceql.ast import AttributeReference, MetricsAggregate, SecondStage, SpansetFilter, Stage, Static
from traceql.operators import BinaryOperator

PlanStage: TypeAlias = Stage | TaggedTraces


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Nanoseconds since 1970; whether the ends belong to it is said where it is used."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class ShownIf:
    """A condition that a value must pass to be shown; without operator every value is shown."""

    op: BinaryOperator | None
    value: Static | None


@dataclass(frozen=True, slots=True)
class ShownAttribute:
    """An attribute of result spans; a value is shown where it passes any of the conditions."""

    attribute: AttributeReference
    conditions: tuple[ShownIf, ...]


@dataclass(frozen=True, slots=True)
class NewestTraces:
    """The traces that start last, at most `limit`; each of their spansets cut to `spans_per_set` spans."""

    limit: int
    spans_per_set: int


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """A number per step and group; step i holds starts in (start + i * step, start + (i + 1) * step]."""

    aggregate: MetricsAggregate
    step_ns: int
    step_count: int
    exemplars: int = 0
    is_exact: bool = False  # quantiles from narrow buckets, at most 1 % off


@dataclass(frozen=True, slots=True)
class Comparison:
    """How often each value of each attribute occurs per step, in the selection and in the rest.

    `top` values of an attribute are shown; a span that starts outside of `selected` (its start excluded, its end
    included) belongs to the rest.
    """

    selection: SpansetFilter
    top: int
    selected: TimeRange | None
    step_ns: int
    step_count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Spans of traces in the window pass the stages one after another; the output is made of the rest.

    For newest traces and tags the window is closed, and a trace is in it when some time between its start and its end
    is. For time series it holds the span starts after its start and up to its end, of any trace.
    """

    window: TimeRange
    stages: tuple[PlanStage, ...]
    output: NewestTraces | TimeSeries | Comparison | TagNames | TagValues
    shown: tuple[ShownAttribute, ...] = ()
    is_empty: bool = False  # nothing can match, whatever the data


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """A plan whose output is series, and what is done with these when they are finished."""

    plan: Plan
    second: tuple[SecondStage, ...] = ()


@dataclass(frozen=True, slots=True)
class CombinedSeries:
    """Series of two plans with equal labels, joined point by point by an arithmetic operator."""

    op: BinaryOperator
    lhs: MetricsPlan
    rhs: MetricsPlan
    second: tuple[SecondStage, ...] = ()


MetricsPlan: TypeAlias = SeriesPlan | CombinedSeries
