"""Series as `QueryRangeResponse` and `QueryInstantResponse`, in JSON (the only form clients get over HTTP)."""

from __future__ import annotations

import numpy as np
import orjson

from tempo_dask.api.encode_values import JSON, Tree, json_double, metrics_tree, without_zeros
from tempo_dask.engine.results import Exemplar, RangeResult, Series

_MS = 1_000_000


def encode_query_range(result: RangeResult) -> bytes:
    """Return the JSON of a range query: samples that are NaN, and series without any sample, are left out."""
    times = (result.times_ns // _MS).astype(str).tolist()
    series = [tree for item in in_order(result.series) if (tree := _series(item, times))["samples"]]
    return orjson.dumps({"series": series, "metrics": metrics_tree(result.metrics, JSON), **_status(result)})


def encode_query_instant(result: RangeResult) -> bytes:
    """Return the JSON of an instant query: the first interval's value of each series."""
    series = [
        {"labels": JSON.labels(item.labels), **_value(float(item.values[0]))}
        for item in in_order(result.series)
        if len(item.values) and not np.isnan(item.values[0])
    ]
    tree = {"series": series} if series else {}
    return orjson.dumps({**tree, "metrics": metrics_tree(result.metrics, JSON), **_status(result)})


def in_order(series: tuple[Series, ...]) -> list[Series]:
    """Return series with fewer labels first, then by label key and label value text, position by position."""
    return sorted(series, key=lambda item: (len(item.labels), [(key, str(value)) for key, value in item.labels]))


def _series(series: Series, times: list[str]) -> Tree:
    rows = np.flatnonzero(~np.isnan(series.values))
    samples = [
        {"timestampMs": times[row], **_value(value)}
        for row, value in zip(rows.tolist(), series.values[rows].tolist(), strict=True)
    ]
    tree: Tree = {"labels": JSON.labels(series.labels), "samples": samples}
    if series.exemplars:
        tree["exemplars"] = [_exemplar(exemplar) for exemplar in sorted(series.exemplars, key=_time)]
    return tree


def _time(exemplar: Exemplar) -> int:
    return exemplar.time_ns


def _exemplar(exemplar: Exemplar) -> Tree:
    labels = {"labels": JSON.labels(exemplar.labels)} if exemplar.labels else {}
    timestamp = without_zeros({"timestampMs": str(exemplar.time_ns // _MS)})
    return {**labels, **_value(exemplar.value), **timestamp}


def _value(value: float) -> Tree:
    return {"value": json_double(value)} if value else {}


def _status(result: RangeResult) -> Tree:
    return {"status": "PARTIAL", "message": result.message} if result.message else {}
