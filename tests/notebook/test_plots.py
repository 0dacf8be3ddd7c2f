"""Pictures say what is in the data."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tempo_dask import Store
from tempo_dask.notebook import colours
from tempo_dask.notebook.plots import _layers, duration_heatmap, flame_graph, merged_paths, service_calls, service_map

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


def test_boxes_of_a_flame_graph_lie_below_their_parents(store: Store) -> None:
    traces = [store.trace(trace_id) for trace_id in store.search(limit=20)["trace_id"]]
    boxes = merged_paths(traces)
    assert len(boxes) == len({path for trace in traces for path in paths(trace.to_pandas())})
    right = boxes["left"] + boxes["seconds"]
    for depth in range(1, int(boxes["depth"].max()) + 1):
        above, here = boxes["depth"] == depth - 1, boxes["depth"] == depth
        for left, end in zip(boxes["left"][here], right[here], strict=True):
            assert ((boxes["left"][above] <= left + 1e-9) & (end <= right[above] + 1e-9)).any()


def paths(spans: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the path of each span, one by one."""
    path: list[str] = []
    found = []
    for span in spans.itertuples():
        path = [*path[: span.depth], f"{span.service}: {span.name}"]
        found.append(tuple(path))
    return found


def test_a_flame_graph_of_nothing_is_empty() -> None:
    assert len(merged_paths([])) == 0
    plt.close(flame_graph([]).figure)


def test_callers_stand_left_of_the_called() -> None:
    calls = pd.DataFrame({"client": ["a", "a", "b", "c"], "server": ["b", "c", "c", "d"]})
    assert _layers(calls) == [["a"], ["b"], ["c"], ["d"]]


def test_a_circle_of_calls_has_an_end() -> None:
    calls = pd.DataFrame({"client": ["a", "b", "c"], "server": ["b", "c", "a"]})
    assert _layers(calls) == [["a"], ["b"], ["c"]]


def test_services_of_a_notebook_have_colours_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colours, "_given", {})
    names = [f"service-{number}" for number in range(len(colours.PALETTE) + 3)]
    given = [colours.colour_of(name) for name in names]
    assert sorted(given[: len(colours.PALETTE)]) == sorted(colours.PALETTE)
    assert given == [colours.colour_of(name) for name in names]
    assert (colours.ink_on("#edc948"), colours.ink_on("#1b4f72")) == ("#222222", "#ffffff")
