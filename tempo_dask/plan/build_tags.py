"""Plans of questions about tags."""

from __future__ import annotations

from tempo_dask.plan.nodes import NewestTraces, Plan, TimeRange
from tempo_dask.plan.optimize import optimize
from tempo_dask.plan.tag_nodes import TaggedTraces, TagNames, TagValues
from traceql import Query, simplify
from traceql.ast import Pipeline


def build_tags(condition: Query | None, window: TimeRange, output: TagNames | TagValues) -> Plan:
    """Return the plan over the spans that a condition chooses, of traces that overlap the window (empty: none)."""
    root = None if condition is None else simplify(condition).root
    stages = root.stages if isinstance(root, Pipeline) else ()
    return optimize(Plan(window, stages, output, is_empty=window.start_ns >= window.end_ns))


def build_tag_search(tagged: TaggedTraces, window: TimeRange, newest: NewestTraces) -> Plan:
    """Return the plan of a search for traces that carry tags; every trace carries none."""
    return Plan(window, (tagged,) if tagged.anywhere or tagged.together else (), newest)
