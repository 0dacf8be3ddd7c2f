"""Pictures of many spans, drawn with matplotlib from frames: durations over time, services, where time goes."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from tempo_dask.notebook.colours import ERROR, colour_of
from tempo_dask.notebook.trace import Trace

#: How much text fits the width of a flame graph, and how little is worth it.
_CHARACTERS, _SHORTEST = 150, 4


def duration_heatmap(spans: pd.DataFrame, *, bins: tuple[int, int] = (80, 40), axes: Axes | None = None) -> Axes:
    """Draw how many spans take how long (logarithmic, seconds) over time; `spans` has `start` and `duration_ns`."""
    axes = axes if axes is not None else plt.subplots(figsize=(10, 4), layout="constrained")[1]
    starts = spans["start"].to_numpy("datetime64[ns]").astype(np.int64)
    seconds = np.maximum(spans["duration_ns"].to_numpy(np.int64), 1_000) / 1e9
    heights = np.geomspace(seconds.min(), seconds.max() * 1.001, bins[1] + 1) if len(seconds) else np.geomspace(1, 2, 2)
    counts, edges, heights = np.histogram2d(starts, seconds, bins=(bins[0], heights))
    times = edges.astype(np.int64).view("datetime64[ns]")
    mesh = axes.pcolormesh(times, heights, np.ma.masked_equal(counts.T, 0), norm=LogNorm(vmin=1), cmap="viridis")
    axes.set(yscale="log", ylabel="duration (s)", xlabel="start (UTC)", title="Durations of spans")
    axes.figure.colorbar(mesh, ax=axes, label="spans")
    return axes


def service_calls(spans: pd.DataFrame) -> pd.DataFrame:
    """Return who calls whom: `client`, `server`, `calls`, `errors`.

    `spans` has `span_id`, `parent_span_id`, `service` and `is_error`, as `Trace.to_pandas` gives them.
    """
    parents = spans[["span_id", "service"]].rename(columns={"span_id": "parent_span_id", "service": "client"})
    calls = spans.merge(parents, on="parent_span_id")
    calls = calls[calls["client"] != calls["service"]]
    grouped = calls.groupby(["client", "service"], as_index=False).agg(
        calls=("span_id", "size"), errors=("is_error", "sum")
    )
    return grouped.rename(columns={"service": "server"})


def service_map(calls: pd.DataFrame, *, axes: Axes | None = None) -> Axes:
    """Draw who calls whom (see `service_calls`), callers left of the called; red where more than 1 % are errors."""
    layers = _layers(calls)
    axes = axes if axes is not None else plt.subplots(figsize=(12, 6), layout="constrained")[1]
    tallest = max((len(names) for names in layers), default=1)
    places = {
        name: (float(layer), (row + 0.5) * tallest / len(names))
        for layer, names in enumerate(layers)
        for row, name in enumerate(names)
    }
    most = max(calls["calls"].max(), 1) if len(calls) else 1
    for call in calls.itertuples():
        is_bad = call.errors > call.calls / 100
        axes.annotate(
            "",
            places[call.server],
            places[call.client],
            arrowprops={
                "arrowstyle": "-|>",
                "color": ERROR if is_bad else "#9aa5b1",
                "lw": 0.8 + 3 * call.calls / most,
                "shrinkA": 14,
                "shrinkB": 14,
                "connectionstyle": "arc3,rad=0.08",
            },
        )
    for name, (x, y) in places.items():
        axes.scatter([x], [y], s=420, color=colour_of(name), zorder=3, edgecolors="white")
        axes.annotate(name, (x, y), (0, -16), textcoords="offset points", ha="center", va="top", fontsize=9)
    axes.set(title="Services and their calls", xlim=(-0.5, len(layers) - 0.5), ylim=(tallest, -0.2))
    axes.set_axis_off()
    return axes


def flame_graph(traces: list[Trace], *, axes: Axes | None = None) -> Axes:
    """Draw where time goes in a set of traces: spans on the same path of service and name are added up.

    The width of a box is the time its spans take, in seconds; children lie below, cut to the width of their parent.
    """
    axes = axes if axes is not None else plt.subplots(figsize=(12, 5), layout="constrained")[1]
    root: dict[str, Any] = {"ns": 0, "children": {}}
    for trace in traces:
        path = [root]
        for span in trace.to_pandas().itertuples():
            del path[span.depth + 1 :]
            node = path[-1]["children"].setdefault((span.service, span.name), {"ns": 0, "children": {}})
            node["ns"] += span.duration_ns
            path.append(node)
    total = sum(node["ns"] for node in root["children"].values())
    _boxes(axes, root, 0.0, total / 1e9, 0, max(total / 1e9, 1e-9))
    axes.set(title=f"Time of {len(traces)} traces", xlabel="seconds", xlim=(0, max(total / 1e9, 1e-9)), yticks=[])
    axes.invert_yaxis()
    return axes


def _boxes(axes: Axes, node: dict[str, Any], left: float, width: float, depth: int, total: float) -> None:
    """Draw the children of a node from `left` on, within `width` of all `total` seconds."""
    wanted = sum(child["ns"] for child in node["children"].values()) / 1e9
    scale = min(width / wanted, 1.0) if wanted else 1.0
    for (service, name), child in sorted(node["children"].items(), key=lambda item: -item[1]["ns"]):
        own = child["ns"] / 1e9 * scale
        axes.barh(depth, own, left=left, height=0.95, color=colour_of(service), edgecolor="white", linewidth=0.5)
        told = f"{service}: {name}"[: int(own / total * _CHARACTERS)]
        if len(told) >= _SHORTEST:
            axes.text(left + own / 2, depth, told, ha="center", va="center", fontsize=7)
        _boxes(axes, child, left, own, depth + 1, total)
        left += own


def _layers(calls: pd.DataFrame) -> list[list[str]]:
    """Return services by how many calls lie between them and one that nobody calls."""
    edges = list(zip(calls["client"], calls["server"], strict=True))
    names = sorted({name for edge in edges for name in edge})
    called = {server for _, server in edges}
    level = {name: 0 for name in names if name not in called} or dict.fromkeys(names[:1], 0)
    reached = list(level)
    for name in reached:
        for client, server in edges:
            if client == name and server not in level:
                level[server] = level[name] + 1
                reached.append(server)
    for name in names:
        level.setdefault(name, 0)
    return [[name for name in names if level[name] == layer] for layer in range(max(level.values(), default=-1) + 1)]
