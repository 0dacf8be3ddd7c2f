"""Python values as OTLP attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

# Texts that a copied trace replaces by eight hex digits of its own: eight bytes of UTF-8 each, with a code point for
# private use that no other text holds.
USER = "\ue000<user"
ORDER = "\ue000order"
FRESH_TEXTS = (USER, ORDER)

Value: TypeAlias = "bool | int | float | str | bytes | Sequence[Value] | Mapping[str, Value]"


def key_values(attributes: Mapping[str, Value]) -> list[KeyValue]:
    """Return the attributes as OTLP `KeyValue` messages, in their order."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def any_value(value: Value) -> AnyValue:
    """Return the OTLP `AnyValue` that holds a Python value; `bool` is tested before `int`, which it also is."""
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case Mapping():
            return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))
        case _:
            return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
