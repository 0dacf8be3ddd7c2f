"""The two forms of an OTLP message: JSON as Tempo says it, and what the constructors of generated classes take.

A message is laid out once, as a dict with protobuf's field names (see `encode_trace`); a form says how ids,
64-bit integers, enums and values look in it, and finishes each message.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from tempo_dask.api.encode_values import Tree, json_double

_KINDS = ("", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("", "OK", "ERROR")
_VALUE_FIELDS = {"str": "string_value", "int": "int_value", "float": "double_value", "bool": "bool_value"}


@dataclass(frozen=True, slots=True)
class OtlpForm:
    """How messages look in one form; `key_value` takes a key, a column's type name (or "other") and the value."""

    message: Callable[[Tree], Tree]
    id: Callable[[bytes], str | bytes]
    long: Callable[[int], str | int]
    kind: Callable[[int], str | int]
    status: Callable[[int], str | int]
    key_value: Callable[[str, str, Any], Any]


def _json_message(tree: Tree) -> Tree:
    """Rename fields to lowerCamelCase and drop those at zero; lists are dropped too, messages stay."""
    return {_camel(name): value for name, value in tree.items() if value not in (0, "", None, [])}


@cache
def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _json_long(value: int) -> str | int:
    return str(value) if value else 0


def _json_kind(kind: int) -> str | int:
    return f"SPAN_KIND_{_KINDS[kind]}" if 0 < kind < len(_KINDS) else kind


def _json_status(code: int) -> str | int:
    return f"STATUS_CODE_{_STATUSES[code]}" if 0 < code < len(_STATUSES) else code


def _json_key_value(key: str, kind: str, value: Any) -> Tree:
    return {"key": key, "value": _json_any(AnyValue.FromString(value)) if kind == "other" else _json_typed(kind, value)}


def _json_typed(kind: str, value: Any) -> Tree:
    match kind:
        case "str":
            return {"stringValue": value}
        case "int":
            return {"intValue": str(value)}
        case "float":
            return {"doubleValue": json_double(value)}
        case "bool":
            return {"boolValue": value}
        case _:
            element = kind.removesuffix("[]")
            return {"arrayValue": _json_values([_json_typed(element, item) for item in value])}


def _json_any(value: AnyValue) -> Tree:
    """Return a value of any depth; one that says nothing is `{}`."""
    match value.WhichOneof("value"):
        case "string_value":
            return {"stringValue": value.string_value}
        case "int_value":
            return {"intValue": str(value.int_value)}
        case "double_value":
            return {"doubleValue": json_double(value.double_value)}
        case "bool_value":
            return {"boolValue": value.bool_value}
        case "bytes_value":
            return {"bytesValue": _base64(value.bytes_value)}
        case "array_value":
            return {"arrayValue": _json_values([_json_any(item) for item in value.array_value.values])}
        case "kvlist_value":
            pairs = [{"key": pair.key, "value": _json_any(pair.value)} for pair in value.kvlist_value.values]
            return {"kvlistValue": _json_values(pairs)}
        case _:
            return {}


def _json_values(values: list[Tree]) -> Tree:
    return {"values": values} if values else {}


def _as_is(value: Any) -> Any:
    return value


def _protobuf_key_value(key: str, kind: str, value: Any) -> KeyValue:
    """Return a message, not a dict: it is shared by all rows that have the value."""
    if kind == "other":
        return KeyValue(key=key, value=AnyValue.FromString(value))
    if kind in _VALUE_FIELDS:
        return KeyValue(key=key, value=AnyValue(**{_VALUE_FIELDS[kind]: value}))
    field = _VALUE_FIELDS[kind.removesuffix("[]")]
    return KeyValue(
        key=key, value=AnyValue(array_value=ArrayValue(values=[AnyValue(**{field: item}) for item in value]))
    )


JSON = OtlpForm(_json_message, _base64, _json_long, _json_kind, _json_status, _json_key_value)
PROTOBUF = OtlpForm(_as_is, _as_is, _as_is, _as_is, _as_is, _protobuf_key_value)
