"""Pictures of many spans, drawn with matplotlib from frames: durations over time, services, where time goes."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullFormatter

from tempo_dask.notebook.colours import ERROR, colour_of, ink_on
from tempo_dask.notebook.trace import Trace
from tempo_dask.notebook.waterfall import duration

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
    axes.set(yscale="log", ylabel="duration", xlabel="start (UTC)", title="Durations of spans")
    axes.yaxis.set_major_formatter(lambda length_s, _place: duration(round(length_s * 1e9)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(ConciseDateFormatter(AutoDateLocator()))  # type: ignore[no-untyped-call]  # theirs
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
        axes.annotate(
            name,
            (x, y),
            (0, -14),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=9,
            zorder=4,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
    axes.set(
        title="Services and their calls: wider, more calls; red, more than 1 % errors",
        xlim=(-0.5, len(layers) - 0.5),
        ylim=(tallest, -0.2),
    )
    axes.set_axis_off()
    return axes


def flame_graph(traces: Sequence[Trace], *, axes: Axes | None = None) -> Axes:
    """Draw where time goes in a set of traces: spans on the same path of service and name are added up.

    The width of a box is the time its spans take, in seconds; children lie below, cut to the width of their parent.
    """
    axes = axes if axes is not None else plt.subplots(figsize=(12, 5), layout="constrained")[1]
    boxes = merged_paths(traces)
    total_s = float(boxes.loc[boxes["depth"] == 0, "seconds"].sum())
    for depth, level in boxes.groupby("depth"):
        colours = [colour_of(service) for service in level["service"]]
        axes.barh(
            np.full(len(level), depth),
            level["seconds"],
            left=level["left"],
            height=0.95,
            color=colours,
            edgecolor="white",
            linewidth=0.5,
        )
    room = boxes["seconds"] / max(total_s, 1e-9) * _CHARACTERS
    for box in boxes[room >= _SHORTEST].assign(room=room).itertuples():
        told = f"{box.service}: {box.name}"
        text = told if len(told) <= box.room else f"{told[: int(box.room) - 1]}…"
        ink = ink_on(colour_of(box.service))
        centre = box.left + box.seconds / 2
        axes.text(centre, box.depth, text, ha="center", va="center", fontsize=7, color=ink, clip_on=True)
    axes.set(title=f"Time of {len(traces)} traces", xlabel="seconds", xlim=(0, max(total_s, 1e-9)), yticks=[])
    axes.set_ylim(float(boxes["depth"].max()) + 0.6 if len(boxes) else 1.0, -0.6)
    return axes


def merged_paths(traces: Sequence[Trace]) -> pd.DataFrame:
    """Return a row per path of services and names from a root on: `depth`, `service`, `name`, `left`, `seconds`.

    `seconds` are those of all spans on the path, cut to what their parents have; children lie side by side from the
    left of their parent on, the longest first.
    """
    frames = [trace.to_pandas() for trace in traces]
    spans = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["depth"])
    found, above = [], None
    path = np.full(len(spans), -1)  # of each span the number of its path among those of its depth
    parents = _parent_rows(frames)
    for depth in range(int(spans["depth"].max()) + 1 if len(spans) else 0):
        rows = np.flatnonzero(spans["depth"].to_numpy() == depth)
        of_parent = path[parents[rows]] if depth else np.zeros(len(rows), np.int64)
        level = spans.iloc[rows].assign(parent=of_parent)
        grouped = level.groupby(["parent", "service", "name"], sort=False)
        path[rows] = grouped.ngroup()
        above = _placed(grouped["duration_ns"].sum().div(1e9).reset_index(name="seconds"), above)
        found.append(above.assign(depth=depth))
    columns = ["depth", "service", "name", "left", "seconds"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def _parent_rows(frames: Sequence[pd.DataFrame]) -> npt.NDArray[np.int64]:
    """Return of each span of all traces the row of its parent: the last one before it that is a level higher."""
    rows, first = [], 0
    for frame in frames:
        depths = frame["depth"].to_numpy()
        parents = np.full(len(depths), -1)
        for depth in range(1, int(depths.max(initial=0)) + 1):
            above, here = np.flatnonzero(depths == depth - 1), np.flatnonzero(depths == depth)
            parents[here] = above[np.searchsorted(above, here) - 1] + first
        rows.append(parents)
        first += len(depths)
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _placed(boxes: pd.DataFrame, above: pd.DataFrame | None) -> pd.DataFrame:
    """Return the boxes of a level in the order of their numbers, cut to their parents' width and placed below them."""
    wanted = boxes.groupby("parent")["seconds"].transform("sum")
    room = wanted if above is None else boxes["parent"].map(above["seconds"])
    base = pd.Series(0.0, boxes.index) if above is None else boxes["parent"].map(above["left"])
    scale = (room / wanted.where(wanted > 0, 1.0)).clip(upper=1.0)
    boxes = boxes.assign(seconds=boxes["seconds"] * scale)
    by_size = boxes.sort_values("seconds", ascending=False, kind="stable")
    before = by_size.groupby("parent")["seconds"].cumsum() - by_size["seconds"]
    return boxes.assign(left=base + before.reindex(boxes.index))


def _layers(calls: pd.DataFrame) -> list[list[str]]:
    """Return services by the longest way to them from one that nobody calls; calls that close a circle do not count."""
    edges = sorted(set(zip(calls["client"], calls["server"], strict=True)))
    names = sorted({name for edge in edges for name in edge})
    level = dict.fromkeys(names, 0)
    for client, server in _without_circles(edges, names):
        level[server] = max(level[server], level[client] + 1)
    return [[name for name in names if level[name] == layer] for layer in range(max(level.values(), default=-1) + 1)]


def _without_circles(edges: Sequence[tuple[str, str]], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the edges in an order in which those to a client stand before those from it, as long as there is one.

    A client of a circle is taken as if nobody called it when no other is left; edges back to it are left out.
    """
    waiting, placed, found = dict.fromkeys(names), set[str](), list[tuple[str, str]]()
    while waiting:
        free = [name for name in waiting if all(client in placed for client, server in edges if server == name)]
        chosen = free[0] if free else next(iter(waiting))
        del waiting[chosen]
        placed.add(chosen)
        found += [(client, server) for client, server in edges if client == chosen and server not in placed]
    return found
