"""`by(expression)`: splits spansets by the values of their spans; spans without one are a group of their own."""

from __future__ import annotations

import numpy as np

from tempo_dask.kernels.series import take_codes
from tempo_dask.physical.groups import Label, group_by
from tempo_dask.physical.set_attributes import SetLabel
from tempo_dask.physical.shown_values import Shown
from tempo_dask.physical.spansets import GroupSets, Spansets, UnitScan
from tempo_dask.physical.stages import apply_stage
from traceql import shown
from traceql.ast import Attribute, GroupBy, Intrinsic
from traceql.types import StaticType


@apply_stage.register
def _group(stage: GroupBy, spansets: Spansets, scan: UnitScan) -> Spansets:
    groups = group_by([scan.binder.operand(stage.expression)], scan.reader)
    # An expression without result counts as false, an attribute without value as nil.
    without: Label = None if isinstance(stage.expression, Attribute | Intrinsic) else (StaticType.BOOL, False)
    labels = [label if label is not None else without for (label,) in groups.labels]
    numbers = {label: number for number, label in reversed(list(enumerate(labels)))}
    chosen = np.flatnonzero(spansets.mask.view(np.bool_))
    codes = np.array([numbers[label] for label in labels])[take_codes(groups.rows[chosen], groups.numbers)]
    pairs = spansets.sets.of(chosen) * len(labels) + codes
    seen, found = np.unique(pairs, return_inverse=True)
    old, of_set = np.divmod(seen, len(labels))
    attribute = SetLabel(shown(stage), tuple(_shown(label) for label in labels), of_set)
    kept = tuple(attribute.take(old) for attribute in spansets.attributes)
    sets = GroupSets(scan.reader, chosen, found.astype(np.uint32), spansets.sets.traces[old])
    return Spansets(spansets.mask, sets, (*kept, attribute))


def _shown(label: Label) -> Shown:
    return "nil" if label is None else label[1]
