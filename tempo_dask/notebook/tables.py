"""Results of the engine as pandas frames and xarray arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from tempo_dask.engine.results import FoundTrace, Labels, RangeResult

TRACE_COLUMNS = ("trace_id", "start", "duration", "root_service", "root_name", "spans", "errors", "services", "matched")


def traces_table(traces: Sequence[FoundTrace]) -> pd.DataFrame:
    """Return a row per trace: start (UTC), duration (timedelta), root, counts of spans, errors, services, matches."""
    rows = [
        (
            trace.trace_id.hex(),
            pd.Timestamp(trace.start_ns, unit="ns", tz="UTC"),
            pd.Timedelta(trace.duration_ns, unit="ns"),
            trace.root_service,
            trace.root_name,
            sum(spans for spans, _ in trace.service_stats.values()),
            sum(errors for _, errors in trace.service_stats.values()),
            len(trace.service_stats),
            sum(found.matched for found in trace.span_sets),
        )
        for trace in traces
    ]
    return pd.DataFrame(rows, columns=list(TRACE_COLUMNS))


def metrics_array(query: str, found: RangeResult) -> xr.DataArray:
    """Return samples as an array (series x time); see `labelled`."""
    values = (
        np.stack([series.values for series in found.series]) if found.series else np.zeros((0, len(found.times_ns)))
    )
    return labelled(query, found.times_ns, [series.labels for series in found.series], values, found.message)


def labelled(
    query: str, times_ns: npt.NDArray[np.int64], labels: Sequence[Labels], values: npt.NDArray[np.float64], partial: str
) -> xr.DataArray:
    """Return `values` (series x time, NaN: no sample) under their labels.

    `time` holds the right edges of the intervals (UTC). Every label is a coordinate of its own along `series`.
    `.to_pandas()` and `.T.to_pandas()` give frames.
    """
    times = times_ns.view("datetime64[ns]")
    names = [", ".join(f"{key}={value}" for key, value in pairs) or query for pairs in labels]
    coordinates: dict[str, Any] = {"series": names, "time": times}
    for key in sorted({key for pairs in labels for key, _ in pairs} - {"series", "time"}):
        column = [dict(pairs).get(key) for pairs in labels]
        coordinates[key] = ("series", np.array([None if value is None else str(value) for value in column], object))
    attributes = {"query": query} | ({"partial": partial} if partial else {})
    return xr.DataArray(values, coordinates, ("series", "time"), name="value", attrs=attributes)
