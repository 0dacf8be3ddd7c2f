"""Values as they are shown: numbers and text as they are, durations, statuses and kinds as text, arrays as tuples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.values import Part
from traceql.ast import AttributeReference, Intrinsic
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.durations import format_duration
from traceql.types import Kind, StaticType, Status

Shown: TypeAlias = str | int | float | bool | tuple["Shown", ...]

#: What spans without events or links show of them.
WITHOUT_ROWS: Mapping[IntrinsicKind, Shown] = {
    IntrinsicKind.EVENT_NAME: "",
    IntrinsicKind.EVENT_TIME_SINCE_START: "0s",
    IntrinsicKind.LINK_TRACE_ID: "",
    IntrinsicKind.LINK_SPAN_ID: "0" * 16,
}
#: Keys of spans that show `nil` where they are missing, as Tempo's columns of their own do.
_SHOWN_AS_NIL = frozenset({"http.method", "http.url", "http.status_code"})

_STATUSES = {status.value: status.name.lower() for status in Status}
_KINDS = {kind.value: kind.name.lower() for kind in Kind}
_FORMAT: Mapping[StaticType, Callable[[Any], Shown]] = {
    StaticType.DURATION: lambda ns: format_duration(int(ns)),
    StaticType.STATUS: lambda number: _STATUSES.get(number, str(number)),
    StaticType.KIND: lambda number: _KINDS.get(number, str(number)),
    StaticType.BOOL: bool,
}


def is_shown_as_nil(attribute: AttributeReference) -> bool:
    """Return whether a span without this attribute shows it as `nil`."""
    if isinstance(attribute, Intrinsic):
        return False
    return attribute.name in _SHOWN_AS_NIL and attribute.scope in (AttributeScope.SPAN, AttributeScope.UNSCOPED)


def shown_elements(part: Part) -> list[Shown]:
    """Return the values of a part as shown, of arrays their elements; what nulls give is arbitrary."""
    column = part.column
    if column.dictionary is not None:
        return _texts(column.data, column.dictionary)
    form = _FORMAT.get(part.type.element)
    numbers = column.data.tolist()
    return numbers if form is None else [form(number) for number in numbers]


def _texts(codes: npt.NDArray[Any], dictionary: pa.StringArray) -> list[Shown]:
    """Return the text of each code; of a dictionary longer than the codes only the texts that they name."""
    if not len(dictionary):
        return [""] * len(codes)
    inside = np.clip(codes, 0, len(dictionary) - 1)
    if len(inside) < len(dictionary):
        found: list[Shown] = dictionary.take(pa.array(inside)).to_pylist()
        return found
    texts: list[Shown] = dictionary.to_pylist()
    return [texts[code] for code in inside.tolist()]


def shown_values(part: Part, kept: Mask | None = None) -> list[Shown | None]:
    """Return the values as shown, None where there is none.

    `kept` marks the elements to show: an array shrinks to these, and to its only element where one is left.
    """
    elements = shown_elements(part)
    keep = np.ones(len(elements), np.uint8) if kept is None else kept
    rows = len(elements) if part.column.offsets is None else len(part.column.offsets) - 1
    valid = np.ones(rows, np.uint8) if part.column.valid is None else part.column.valid
    if part.column.offsets is None:
        return [value if show else None for value, show in zip(elements, (keep & valid).tolist(), strict=True)]
    return [_shrunk(elements, keep, int(a), int(b)) if v else None for a, b, v in _lists(part.column.offsets, valid)]


def _lists(offsets: Any, valid: Mask) -> Any:
    return zip(offsets[:-1].tolist(), offsets[1:].tolist(), valid.tolist(), strict=True)


def _shrunk(elements: list[Shown], keep: Mask, first: int, stop: int) -> Shown | None:
    left = tuple(elements[at] for at in range(first, stop) if keep[at])
    return left[0] if len(left) == 1 else (left or None)
