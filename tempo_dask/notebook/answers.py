"""What Tempo's API answers, as the values the engine gives: the same tables are made of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tempo_dask.engine.explain import Explanation
from tempo_dask.engine.results import FoundTrace, Labels, QueryMetrics, Series, SpanSet, Value
from tempo_dask.physical.metered import Cost
from tempo_dask.physical.pruned import SourceScan

_MS = 1_000_000


def found_trace(tree: Mapping[str, Any]) -> FoundTrace:
    """Return a trace of a search; its duration is known in whole milliseconds."""
    stats = tree.get("serviceStats") or {}
    return FoundTrace(
        bytes.fromhex(tree["traceID"].zfill(32)),
        int(tree.get("startTimeUnixNano", 0)),
        int(tree.get("durationMs", 0)) * _MS,
        tree.get("rootServiceName"),
        tree.get("rootTraceName"),
        tuple(SpanSet((), int(found.get("matched", 0))) for found in tree.get("spanSets") or ()),
        {name: (int(stat.get("spanCount", 0)), int(stat.get("errorCount", 0))) for name, stat in stats.items()},
    )


def value_of(tree: Mapping[str, Any]) -> Value | None:
    """Return an attribute's value; arrays as tuples, None where it is none that TraceQL knows."""
    for kind, value in tree.items():
        match kind:
            case "stringValue" | "boolValue":
                return value  # type: ignore[no-any-return]  # the key names its type
            case "intValue":
                return int(value)
            case "doubleValue":
                return float(value)
            case "arrayValue":
                return tuple(item for part in value.get("values") or () if (item := value_of(part)) is not None)
    return None


def labels_of(trees: Iterable[Mapping[str, Any]]) -> Labels:
    """Return the labels of a series."""
    pairs = ((tree["key"], value_of(tree.get("value") or {})) for tree in trees)
    return tuple((key, "" if value is None else value) for key, value in pairs)


def range_series(trees: Iterable[Mapping[str, Any]], times_ns: npt.NDArray[np.int64]) -> list[Series]:
    """Return series on a grid of right edges (nanoseconds, rising); NaN where there is no sample."""
    found = []
    for tree in trees:
        samples = tree.get("samples") or ()
        at = np.array([int(sample.get("timestampMs", 0)) for sample in samples], np.int64) * _MS
        places = np.searchsorted(times_ns, at)
        fits = places < len(times_ns)
        fits[fits] = times_ns[places[fits]] == at[fits]
        values = np.full(len(times_ns), np.nan)
        values[places[fits]] = np.array([_number(sample) for sample in samples])[fits]
        found.append(Series(labels_of(tree.get("labels") or ()), values))
    return found


def instant_series(trees: Iterable[Mapping[str, Any]]) -> list[Series]:
    """Return series of one value each."""
    return [Series(labels_of(tree.get("labels") or ()), np.array([_number(tree)])) for tree in trees]


def explanation(tree: Mapping[str, Any]) -> Explanation:
    """Return what `/api/explain` says; the costs of columns are those of all its passes."""
    return Explanation(
        tree["query"],
        tuple(tree["stages"]),
        tuple(SourceScan(**source) for source in tree["sources"]),
        tree["seconds"],
        {name: _cost(cost) for name, cost in tree["passes"].items()},
        tree["graphTasks"],
        tree["traces"],
        _query_metrics(tree["metrics"]),
    )


def _number(tree: Mapping[str, Any]) -> float:
    return float(tree.get("value", 0.0))


def _cost(tree: Mapping[str, Any]) -> Cost:
    columns: dict[Any, int] = {tuple(name.split(".", 1)): size for name, size in tree["columns"].items()}
    return Cost(tree["tasks"], tree["threadSeconds"], columns)


def _query_metrics(tree: Mapping[str, Any]) -> QueryMetrics:
    return QueryMetrics(
        inspected_bytes=int(tree.get("inspectedBytes", 0)),
        inspected_traces=int(tree.get("inspectedTraces", 0)),
        inspected_spans=int(tree.get("inspectedSpans", 0)),
        total_blocks=int(tree.get("totalBlocks", 0)),
        total_block_bytes=int(tree.get("totalBlockBytes", 0)),
        total_jobs=int(tree.get("totalJobs", 0)),
        completed_jobs=int(tree.get("completedJobs", 0)),
    )
