"""The distinct values of a column as text, with the types that clients know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.columns import Column
from tempo_dask.kernels.predicates import Mask, any_of_owner
from tempo_dask.kernels.traces import spread
from tempo_dask.physical.values import Part
from traceql.durations import format_duration
from traceql.types import Kind, StaticType, Status


def type_text(type_: StaticType) -> str:
    """Return the type of a value (of an array, of its elements) as clients know it."""
    return "keyword" if type_.element in _KEYWORDS else type_.element.value


def value_text(type_: StaticType, value: Any) -> str:
    """Return a value as text: `2.5`, a whole float as `1.0`, `1.5ms`, booleans and keywords in lower case."""
    return _FORMS.get(type_.element, str)(value)


def distinct_texts(part: Part, rows: Mask | None = None, max_bytes: int = 0) -> list[str]:
    """Return the distinct values of a part as text, of arrays their elements; only of the rows in the mask.

    Of texts those may be left out that have more than `max_bytes` of text before them in order.
    """
    column = part.column
    kept = kept_elements(column, rows)
    if column.dictionary is not None:
        return used_texts(column, kept, max_bytes)
    data: npt.NDArray[Any] = column.data if kept is None else column.data[kept.view(np.bool_)]
    return [value_text(part.type, value) for value in np.unique(data).tolist()]


def used_texts(column: Column, kept: Mask | None, max_bytes: int = 0) -> list[str]:
    """Return the texts of a dictionary column that its (kept) elements use, all that fit and one more."""
    if column.dictionary is None:
        return []
    mask = np.ones(len(column.data), np.uint8) if kept is None else kept
    used = any_of_owner(mask, column.data.view(np.uint32), len(column.dictionary))
    texts = column.dictionary.filter(pa.array(used.view(np.bool_)))
    if 0 < max_bytes < texts.nbytes:
        texts = texts.sort()  # bytewise, which is the order of code points
        ends = np.cumsum(pc.binary_length(texts).to_numpy(zero_copy_only=False), dtype=np.int64)
        texts = texts[: int(np.searchsorted(ends, max_bytes, side="right")) + 1]
    return list(texts.to_pylist())


def kept_elements(column: Column, rows: Mask | None) -> Mask | None:
    """Return the elements of the rows that have a value and are in the mask, None where all are."""
    valid = column.valid
    kept = rows if valid is None else valid if rows is None else rows & valid
    if kept is None or column.offsets is None:
        return kept
    return spread(kept, column.offsets.astype(np.int64))


def _float_text(value: float) -> str:
    """Return a float without exponent, a whole one with a zero behind its point; no zero is negative."""
    text = repr(value + 0.0)
    return np.format_float_positional(value, trim="0") if "e" in text else _NO_NUMBERS.get(text, text)


def _keyword_text(known: type[Status | Kind]) -> Callable[[int], str]:
    texts = {member.value: member.name.lower() for member in known}
    return lambda number: texts.get(number, str(number))


_NO_NUMBERS = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
_KEYWORDS: Mapping[StaticType, Callable[[int], str]] = {
    StaticType.STATUS: _keyword_text(Status),
    StaticType.KIND: _keyword_text(Kind),
}
_FORMS: Mapping[StaticType, Callable[[Any], str]] = {
    StaticType.FLOAT: _float_text,
    StaticType.BOOL: lambda value: "true" if value else "false",
    StaticType.DURATION: format_duration,
    **_KEYWORDS,
}
