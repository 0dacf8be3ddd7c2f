"""The answer of `/api/metrics/summary`: a row for each group of spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import orjson

from tempo_dask.api.decode_summary import QUANTILES
from tempo_dask.api.encode_metrics import in_order
from tempo_dask.api.encode_values import Tree, without_zeros
from tempo_dask.engine.results import Labels, QueryMetrics, RangeResult, Value

_NS = 1_000_000_000
#: Labels of series that no group by has asked for.
_OF_THE_FUNCTION = frozenset({"__name__", "p"})

#: Values of groups by their labels.
ByGroup: TypeAlias = Mapping[Labels, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """What was found: all spans, those with an error, and quantiles of their durations, by group."""

    spans: RangeResult
    errors: RangeResult
    durations: RangeResult

    @property
    def metrics(self) -> QueryMetrics:
        """What the largest of the queries cost."""
        return self.spans.metrics


def encode_summary(found: Summary) -> bytes:
    """Return the JSON: groups by their values, nothing where there are no spans."""
    errors = _values(found.errors)
    quantiles = {name: _values(found.durations, quantile) for name, quantile in QUANTILES.items()}
    rows = [_row(group, spans, errors, quantiles) for group, spans in _values(found.spans).items()]
    return orjson.dumps({"summaries": rows} if rows else {})


def _row(group: Labels, spans: float, errors: ByGroup, quantiles: Mapping[str, ByGroup]) -> Tree:
    counts = without_zeros({"spanCount": str(int(spans)), "errorSpanCount": str(int(errors.get(group, 0)))})
    series = [{"key": key, "value": _static(value)} for key, value in group]
    durations = {name: str(round(by_group.get(group, 0.0) * _NS)) for name, by_group in quantiles.items()}
    return {**counts, **({"series": series} if series else {}), **without_zeros(durations)}


def _values(result: RangeResult, quantile: float | None = None) -> dict[Labels, float]:
    """Return the value of each group over the whole window, of one quantile where there are several."""
    found: dict[Labels, float] = {}
    for series in in_order(result.series):
        if quantile is not None and dict(series.labels).get("p") != quantile:
            continue
        if len(series.values) and not np.isnan(series.values[0]) and series.values[0]:
            group = tuple((key, value) for key, value in series.labels if key not in _OF_THE_FUNCTION)
            found[group] = float(series.values[0])
    return found


def _static(value: Value) -> Tree:
    """Return a value with the number of its type in TraceQL."""
    match value:
        case bool():
            return {"type": 6, "b": value}
        case int():
            return {"type": 3, "n": str(value)}
        case float():
            return {"type": 4, "f": value}
    return {"type": 5, "s": str(value)}
