"""Pieces of OTLP messages that every translation makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

Value: TypeAlias = str | bool | int | float | bytes
Attributes: TypeAlias = "RepeatedCompositeFieldContainer[KeyValue]"

NANOSECONDS_IN_MICROSECOND = 1000
_UINT64 = (1 << 64) - 1
_HALF = 1 << 63


def add_attributes(to: Attributes, attributes: Mapping[str, Value]) -> None:
    """Add attributes of any type."""
    for key, value in attributes.items():
        any_value = to.add(key=key).value
        if isinstance(value, str):
            any_value.string_value = value
        elif isinstance(value, bool):
            any_value.bool_value = value
        elif isinstance(value, int):
            any_value.int_value = (value + _HALF) % (1 << 64) - _HALF
        elif isinstance(value, float):
            any_value.double_value = value
        else:
            any_value.bytes_value = value


def unsigned(time_ns: int) -> int:
    """Return a time as OTLP's 64 bits hold it."""
    return time_ns & _UINT64
