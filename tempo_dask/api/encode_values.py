"""Values and labels of results in the two forms of the API, JSON and protobuf.

Both forms are trees of dicts with the field names of `tempo.proto`: what differs is how 64-bit integers and
`AnyValue`s are said. Dicts in the form of protobuf are what the constructors of generated messages take.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from tempo_dask.engine.results import Labels, QueryMetrics, Value

Tree: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """How one form says an unsigned 64-bit integer (zero stays 0, so that it is dropped) and a value."""

    long: Callable[[int], int | str]
    value: Callable[[Value], Tree]

    def labels(self, labels: Labels) -> list[Tree]:
        """Return `KeyValue`s."""
        return [{"key": key, "value": self.value(value)} for key, value in labels]


def without_zeros(tree: Tree) -> Tree:
    """Drop fields at their zero value: empty text, 0, false and None; empty lists and messages stay."""
    return {name: value for name, value in tree.items() if value not in (0, "", None)}


def json_double(value: float) -> float | str:
    """Return a double as JSON says it; what is no number travels as text."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _json_value(value: Value) -> Tree:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": json_double(value)}
    return {"arrayValue": {"values": [_json_value(item) for item in value]} if value else {}}


def _protobuf_value(value: Value) -> Tree:
    if isinstance(value, str):
        return {"string_value": value}
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int):
        return {"int_value": value}
    if isinstance(value, float):
        return {"double_value": value}
    return {"array_value": {"values": [_protobuf_value(item) for item in value]}}


def _json_long(value: int) -> int | str:
    return str(value % (1 << 64)) if value else 0


def _protobuf_long(value: int) -> int:
    return value % (1 << 64)


JSON = Form(long=_json_long, value=_json_value)
PROTOBUF = Form(long=_protobuf_long, value=_protobuf_value)


def metrics_tree(metrics: QueryMetrics, form: Form) -> Tree:
    """Return a `SearchMetrics`."""
    return without_zeros(
        {
            "inspectedTraces": metrics.inspected_traces,
            "inspectedBytes": form.long(metrics.inspected_bytes),
            "totalBlocks": metrics.total_blocks,
            "completedJobs": metrics.completed_jobs,
            "totalJobs": metrics.total_jobs,
            "totalBlockBytes": form.long(metrics.total_block_bytes),
            "inspectedSpans": form.long(metrics.inspected_spans),
        }
    )
