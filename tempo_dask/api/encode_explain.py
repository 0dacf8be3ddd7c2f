"""How a search was answered, as JSON."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from tempo_dask.api.encode_values import JSON, metrics_tree
from tempo_dask.engine.explain import Explanation
from tempo_dask.physical.metered import Cost


def encode_explanation(found: Explanation) -> bytes:
    """Return an explanation as JSON: the plan, what is scanned of each source, and what each pass took."""
    tree = {
        "query": found.query,
        "stages": found.stages,
        "sources": [asdict(source) for source in found.sources],
        "seconds": found.seconds,
        "passes": {name: _cost(cost) for name, cost in found.costs.items()},
        "graphTasks": found.graph_tasks,
        "traces": found.traces,
        "metrics": metrics_tree(found.metrics, JSON),
    }
    return orjson.dumps(tree, option=orjson.OPT_INDENT_2)


def _cost(cost: Cost) -> dict[str, object]:
    """Return what a pass took; the columns that it read most of stand first."""
    by_size = sorted(cost.columns.items(), key=lambda column: (-column[1], column[0]))
    return {
        "tasks": cost.tasks,
        "threadSeconds": cost.seconds,
        "bytes": cost.bytes,
        "columns": {f"{table}.{name}": size_bytes for (table, name), size_bytes in by_size},
    }
