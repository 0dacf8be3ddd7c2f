"""Series as `QueryRangeResponse` and `QueryInstantResponse` in protobuf, as streaming clients get them."""

from __future__ import annotations

import numpy as np

from tempo_dask.api.encode_values import PROTOBUF, Tree, metrics_tree
from tempo_dask.api.pb.tempo_pb2 import PARTIAL, QueryInstantResponse, QueryRangeResponse
from tempo_dask.engine.results import Exemplar, RangeResult, Series

_MS = 1_000_000


def encode_query_range_protobuf(result: RangeResult) -> bytes:
    """Return a range query: samples that are NaN, and series without any sample, are left out."""
    times = (result.times_ns // _MS).tolist()
    series = [tree for item in result.series if (tree := _series(item, times))["samples"]]
    return QueryRangeResponse(series=series, **_rest(result)).SerializeToString()


def encode_query_instant_protobuf(result: RangeResult) -> bytes:
    """Return an instant query: the first interval's value of each series."""
    series = [
        {"labels": PROTOBUF.labels(item.labels), "value": float(item.values[0])}
        for item in result.series
        if len(item.values) and not np.isnan(item.values[0])
    ]
    return QueryInstantResponse(series=series, **_rest(result)).SerializeToString()


def _series(series: Series, times: list[int]) -> Tree:
    rows = np.flatnonzero(~np.isnan(series.values))
    samples = [
        {"timestamp_ms": times[row], "value": value}
        for row, value in zip(rows.tolist(), series.values[rows].tolist(), strict=True)
    ]
    exemplars = [_exemplar(exemplar) for exemplar in sorted(series.exemplars, key=lambda found: found.time_ns)]
    return {"labels": PROTOBUF.labels(series.labels), "samples": samples, "exemplars": exemplars}


def _exemplar(exemplar: Exemplar) -> Tree:
    labels = PROTOBUF.labels(exemplar.labels)
    return {"labels": labels, "value": exemplar.value, "timestamp_ms": exemplar.time_ns // _MS}


def _rest(result: RangeResult) -> Tree:
    status = {"status": PARTIAL, "message": result.message} if result.message else {}
    return {"metrics": metrics_tree(result.metrics, PROTOBUF), **status}
