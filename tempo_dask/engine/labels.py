"""Labels of series: how values of groups are named and shown, and in which order series stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tempo_dask.engine.results import Labels, Series
from tempo_dask.physical.groups import LabelSet
from tempo_dask.physical.shown_values import Shown, is_shown_as_nil
from traceql import shown
from traceql.ast import MetricsAggregate

_NIL = "nil"


def series_labels(aggregate: MetricsAggregate, labels: LabelSet, added: Sequence[tuple[str, Shown]]) -> Labels:
    """Return the labels of a series; `added` are those of the function itself (bucket, quantile).

    Groups without a value lack the label; where all lack one, the first label says `nil`. Without any group
    or added label the series is named after its function.
    """
    found = tuple(
        (shown(attribute), _NIL if label is None else label[1])
        for attribute, label in zip(aggregate.by, labels, strict=True)
        if label is not None or is_shown_as_nil(attribute)
    )
    if aggregate.by and not any(label is not None for label in labels):
        found = ((shown(aggregate.by[0]), _NIL),)
    return (*found, *added) or (("__name__", aggregate.function.value),)


def named_groups(aggregate: MetricsAggregate, groups: Iterable[LabelSet]) -> Mapping[Labels, LabelSet]:
    """Return groups by the labels that their series begin with."""
    named = {series_labels(aggregate, group, ()): group for group in groups}
    return named if aggregate.by else {**named, (): ()}


def series_order(series: Series) -> tuple[int, list[tuple[str, str]]]:
    """Return what orders series: few labels first, then keys and texts of values, position by position."""
    return len(series.labels), [(key, str(value)) for key, value in series.labels]
