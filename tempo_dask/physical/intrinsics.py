"""The built-in properties: in which table each stands, and how its values are made of own columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import Column, TableName
from tempo_dask.kernels.structure import count_children
from tempo_dask.physical.ids import hex_column
from tempo_dask.physical.reader import UnitReader
from traceql.attributes import IntrinsicKind
from traceql.types import StaticType

Loader = Callable[[UnitReader], Column]


@dataclass(frozen=True, slots=True)
class IntrinsicSource:
    """Where the values of an intrinsic come from.

    `id_column` is the column of an id in bytes, `is_stripped` says that its text has no leading zeros.
    """

    table: TableName
    type: StaticType
    load: Loader
    id_column: str | None = None
    is_stripped: bool = False


def _own(table: TableName, name: str) -> Loader:
    return lambda reader: reader.own(table, name)


def _number(table: TableName, name: str) -> Loader:
    def load(reader: UnitReader) -> Column:
        column = reader.own(table, name)
        return Column(column.data.astype(np.int64), column.valid)

    return load


def _text_or_empty(table: TableName, name: str) -> Loader:
    """Load text; rows without one have the empty text."""

    def load(reader: UnitReader) -> Column:
        column = reader.own(table, name)
        if column.valid is None or column.dictionary is None:
            return column
        empty = pa.array([""], pa.string())
        codes: npt.NDArray[Any] = np.where(column.valid, column.data, len(column.dictionary)).astype(np.int32)
        return Column(codes, None, pa.concat_arrays([column.dictionary, empty]))

    return load


def _id(table: TableName, name: str, *, stripped: bool = False) -> IntrinsicSource:
    def load(reader: UnitReader) -> Column:
        return hex_column(reader.own(table, name), stripped=stripped)

    return IntrinsicSource(table, StaticType.STRING, load, name, stripped)


def _trace_duration(reader: UnitReader) -> Column:
    return Column(reader.data("traces", "end") - reader.data("traces", "start"))


def _time_since_start(reader: UnitReader) -> Column:
    starts = reader.data("spans", "start")[reader.data("events", "span")]
    return Column(reader.data("events", "time") - starts)


def _child_count(reader: UnitReader) -> Column:
    lefts, parents = (reader.data("spans", name) for name in ("nested_left", "nested_parent"))
    return Column(count_children(lefts, parents, reader.offsets))


def _span(type_: StaticType, name: str) -> IntrinsicSource:
    return IntrinsicSource("spans", type_, _own("spans", name))


def _nested(name: str) -> IntrinsicSource:
    return IntrinsicSource("spans", StaticType.INT, _number("spans", name))


def _text(table: TableName, name: str) -> IntrinsicSource:
    return IntrinsicSource(table, StaticType.STRING, _text_or_empty(table, name))


INTRINSICS: Mapping[IntrinsicKind, IntrinsicSource] = {
    IntrinsicKind.DURATION: _span(StaticType.DURATION, "duration_ns"),
    IntrinsicKind.NAME: _span(StaticType.STRING, "name"),
    IntrinsicKind.STATUS: _span(StaticType.STATUS, "status"),
    IntrinsicKind.STATUS_MESSAGE: _span(StaticType.STRING, "status_message"),
    IntrinsicKind.KIND: _span(StaticType.KIND, "kind"),
    IntrinsicKind.SPAN_ID: _id("spans", "span_id"),
    IntrinsicKind.PARENT_ID: _id("spans", "parent_span_id"),
    IntrinsicKind.CHILD_COUNT: IntrinsicSource("spans", StaticType.INT, _child_count),
    IntrinsicKind.TRACE_DURATION: IntrinsicSource("traces", StaticType.DURATION, _trace_duration),
    IntrinsicKind.TRACE_ROOT_NAME: _text("traces", "root_name"),
    IntrinsicKind.TRACE_ROOT_SERVICE: _text("traces", "root_service"),
    IntrinsicKind.TRACE_ID: _id("traces", "trace_id", stripped=True),
    IntrinsicKind.EVENT_NAME: _text("events", "name"),
    IntrinsicKind.EVENT_TIME_SINCE_START: IntrinsicSource("events", StaticType.DURATION, _time_since_start),
    IntrinsicKind.LINK_TRACE_ID: _id("links", "trace_id", stripped=True),
    IntrinsicKind.LINK_SPAN_ID: _id("links", "span_id"),
    IntrinsicKind.INSTRUMENTATION_NAME: _text("scopes", "name"),
    IntrinsicKind.INSTRUMENTATION_VERSION: _text("scopes", "version"),
    IntrinsicKind.NESTED_SET_LEFT: _nested("nested_left"),
    IntrinsicKind.NESTED_SET_RIGHT: _nested("nested_right"),
    IntrinsicKind.NESTED_SET_PARENT: _nested("nested_parent"),
}
