"""What differs between two sets of spans, as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tempo_dask.engine.results import Series
from traceql import parse, require_valid

COLUMNS = ("attribute", "value", "selection", "baseline", "selection_share", "baseline_share", "difference")
_TOTAL = "_total"


def comparing(selection: str, query: str, top: int) -> str:
    """Return the metrics query that compares. Raises TraceQLError where `query` or `selection` is none."""
    require_valid(parse(query))
    require_valid(parse(selection))
    return f"{query} | compare({selection}, {top})"


def compared_table(found: Sequence[Series]) -> pd.DataFrame:
    """Return a row per attribute and value: how many spans of the selection and of the rest have it.

    `selection` and `baseline` count spans, the shares are of all spans of their side, and `difference` is that of the
    shares (-1 to 1). The largest differences come first, of equal ones what the selection has.
    """
    sizes = {"selection": 0, "baseline": 0}
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: {"selection": 0, "baseline": 0})
    for series in found:
        (_, side), (key, value) = series.labels
        count = int(np.nansum(series.values))
        if str(side).endswith(_TOTAL):
            of = str(side).removesuffix(_TOTAL)
            sizes[of] = max(sizes[of], count)
        else:
            counts[key, str(value)][str(side)] = count
    rows = [_row(key, value, sides, sizes) for (key, value), sides in counts.items()]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    by_sign = table.sort_values("difference", ascending=False, kind="stable")
    return by_sign.sort_values("difference", key=lambda column: -column.abs(), kind="stable", ignore_index=True)


def _row(key: str, value: str, sides: dict[str, int], sizes: dict[str, int]) -> tuple[object, ...]:
    selection, baseline = (sides[side] / max(sizes[side], 1) for side in ("selection", "baseline"))
    return key, value, sides["selection"], sides["baseline"], selection, baseline, selection - baseline
