"""Pictures say what is in the data."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tempo_dask import Store
from tempo_dask.notebook.plots import duration_heatmap, flame_graph, service_calls, service_map

mpl.use("Agg")


@pytest.fixture
def spans() -> pd.DataFrame:
    """Return a trace over three services: a calls b twice, b calls c in vain."""
    rows = [("1", None, "a", False), ("2", "1", "b", False), ("3", "1", "b", False), ("4", "3", "c", True)]
    return pd.DataFrame(rows, columns=["span_id", "parent_span_id", "service", "is_error"])


def test_calls_are_counted_between_services(spans: pd.DataFrame) -> None:
    found = [tuple(row) for row in service_calls(spans).itertuples(index=False)]
    assert found == [("a", "b", 2, 0), ("b", "c", 1, 1)]


def test_a_service_map_names_every_service(spans: pd.DataFrame) -> None:
    axes = service_map(service_calls(spans))
    assert {text.get_text() for text in axes.texts} >= {"a", "b", "c"}
    plt.close(axes.figure)


def test_a_heat_map_counts_every_span(store: Store) -> None:
    spans = store.spans(columns=["start", "duration_ns"]).compute()
    axes = duration_heatmap(spans)
    assert axes.collections[0].get_array().sum() == len(spans)
    plt.close(axes.figure)


def test_a_flame_graph_is_as_wide_as_its_roots(store: Store) -> None:
    traces = [store.trace(trace_id) for trace_id in store.search(limit=3)["trace_id"]]
    axes = flame_graph(traces)
    roots = sum(frame[frame["depth"] == 0]["duration_ns"].sum() for frame in (trace.to_pandas() for trace in traces))
    assert sum(box.get_width() for box in axes.patches if box.get_y() < 0) == pytest.approx(roots / 1e9)
    plt.close(axes.figure)
