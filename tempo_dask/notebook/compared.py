"""What differs between two sets of spans, as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

_META = "__meta_type"


def compared_table(found: xr.DataArray) -> pd.DataFrame:
    """Return a row per attribute and value: how many spans of the selection and of the rest have it.

    `selection` and `baseline` count spans, the shares are of all spans of their side, and `difference` is that of the
    shares (-1 to 1). The largest differences come first.
    """
    columns = ["attribute", "value", "selection", "baseline", "selection_share", "baseline_share", "difference"]
    if _META not in found.coords:
        return pd.DataFrame(columns=columns)
    totals = {"selection": 0.0, "baseline": 0.0}
    counts: dict[tuple[str, str], dict[str, float]] = {}
    keys = [name for name in found.coords if name not in ("series", "time", _META)]
    sums = np.nansum(found.to_numpy(), axis=1)
    of_attribute: dict[tuple[str, str], float] = {}
    for row, side in enumerate(found.coords[_META].to_numpy().tolist()):
        key, value = next(
            ((str(name), text) for name in keys if (text := found.coords[name].to_numpy()[row]) is not None), ("", "")
        )
        if side.endswith("_total"):
            of_attribute[key, side.removesuffix("_total")] = float(sums[row])
            totals[side.removesuffix("_total")] = max(totals[side.removesuffix("_total")], float(sums[row]))
        else:
            counts.setdefault((key, value), {})[side] = float(sums[row])
    rows = []
    for (key, value), sides in counts.items():
        selection, baseline = sides.get("selection", 0.0), sides.get("baseline", 0.0)
        share, rest = selection / max(totals["selection"], 1.0), baseline / max(totals["baseline"], 1.0)
        rows.append((key, value, int(selection), int(baseline), share, rest, share - rest))
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("difference", key=lambda column: -column.abs(), kind="stable", ignore_index=True)
