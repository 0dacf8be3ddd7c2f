"""Labels of series: how values of groups are named and shown, and in which order series stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tempo_dask.engine.results import Labels, Series, Value
from tempo_dask.physical.groups import LabelSet
from tempo_dask.physical.shown_values import Shown, is_shown_as_nil
from traceql import shown
from traceql.ast import MetricsAggregate

_NIL = "nil"

LabelsKey: TypeAlias = tuple[tuple[str, type, Value], ...]


@dataclass(frozen=True, slots=True)
class SeriesNames:
    """Names the series of one aggregate; `by` are the names of what groups them, and whether lacking it shows."""

    function: str
    by: tuple[tuple[str, bool], ...]

    @classmethod
    def of(cls, aggregate: MetricsAggregate) -> SeriesNames:
        """Return what names the series of an aggregate."""
        by = tuple((shown(attribute), is_shown_as_nil(attribute)) for attribute in aggregate.by)
        return cls(aggregate.function.value, by)

    def labels(self, group: LabelSet, added: Sequence[tuple[str, Shown]]) -> Labels:
        """Return the labels of a series; `added` are those of the function itself (bucket, quantile).

        Groups without a value lack the label; where all lack one, the first label says `nil`. Without any group
        or added label the series is named after its function.
        """
        found: Labels = tuple(
            (name, _NIL if label is None else label[1])
            for (name, is_nil), label in zip(self.by, group, strict=True)
            if label is not None or is_nil
        )
        if self.by and not any(label is not None for label in group):
            found = ((self.by[0][0], _NIL),)
        return (*found, *added) or (("__name__", self.function),)


def named_groups(aggregate: MetricsAggregate, groups: Iterable[LabelSet]) -> Mapping[LabelsKey, LabelSet]:
    """Return groups by the labels that their series begin with."""
    names = SeriesNames.of(aggregate)
    named = {key_of(names.labels(group, ())): group for group in groups}
    return named if aggregate.by else {**named, (): ()}


def key_of(labels: Labels) -> LabelsKey:
    """Return labels as a key: the values 1, 1.0 and true are equal in Python."""
    return tuple((key, type(value), value) for key, value in labels)


def group_order(group: LabelSet) -> list[str]:
    """Return what orders groups whose labels read alike: those that lack a value first, then by their types."""
    return ["" if label is None else label[0].name for label in group]


def series_order(series: Series) -> tuple[int, list[tuple[str, str]]]:
    """Return what orders series: few labels first, then keys and texts of values, position by position."""
    return len(series.labels), [(key, str(value)) for key, value in series.labels]
