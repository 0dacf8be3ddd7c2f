"""The two forms of an OTLP message: JSON as Tempo says it, and protobuf's wire form.

A message is laid out once, as a dict with protobuf's field names (see `encode_trace`); a form says how ids,
64-bit integers, enums and values look in it, and finishes each message, innermost first. In wire form a finished
message is its length and its bytes, so that one made once can stand in many others without being copied field by
field: an attribute that thousands of spans share costs each of them one join.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from tempo_dask.api.encode_values import Tree, json_double

_KINDS = ("", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("", "OK", "ERROR")
_VALUE_FIELDS = {"str": "string_value", "int": "int_value", "float": "double_value", "bool": "bool_value"}


@dataclass(frozen=True, slots=True)
class OtlpForm:
    """How messages look in one form; `key_value` takes a key, a column's type name (or "other") and the value."""

    message: Callable[[type[Message], Tree], Any]
    id: Callable[[bytes], str | bytes]
    long: Callable[[int], str | int]
    kind: Callable[[int], str | int]
    status: Callable[[int], str | int]
    key_value: Callable[[str, str, Any], Any]


class _CamelNames(dict[str, str]):
    """Protobuf's field names in lowerCamelCase."""

    def __missing__(self, name: str) -> str:
        first, *others = name.split("_")
        self[name] = first + "".join(word.capitalize() for word in others)
        return self[name]


_CAMEL = _CamelNames()


def _json_message(_kind: type[Message], tree: Tree) -> Tree:
    """Rename fields to lowerCamelCase and drop those at zero; lists are dropped too, empty messages stay."""
    return {_CAMEL[name]: value for name, value in tree.items() if value or value.__class__ is dict}


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


def _wire_message(kind: type[Message], tree: Tree) -> bytes:
    """Return a message behind its length; the messages in `tree` are finished already."""
    tags = _message_tags(kind)  # type: ignore[arg-type]  # messages have no hash, their classes have
    plain = {name: value for name, value in tree.items() if name not in tags}
    parts = [kind(**plain).SerializeToString()]
    for name, tag in tags.items():
        value = tree.get(name)
        if value:
            parts += (tag, tag.join(value) if isinstance(value, list) else value)
    return delimited(b"".join(parts))


@cache
def _message_tags(kind: type[Message]) -> Mapping[str, bytes]:
    """Return the fields that hold messages, and what stands before each of them on the wire."""
    fields = kind.DESCRIPTOR.fields
    return {
        field.name: bytes([field.number << 3 | 2]) for field in fields if field.type == FieldDescriptor.TYPE_MESSAGE
    }


def delimited(body: bytes) -> bytes:
    """Return bytes behind their length, a little-endian base-128 number."""
    size, prefix = len(body), bytearray()
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    return bytes(prefix) + body


def _wire_key_value(key: str, kind: str, value: Any) -> bytes:
    return delimited(KeyValue(key=key, value=_wire_value(kind, value)).SerializeToString())


def _wire_value(kind: str, value: Any) -> AnyValue:
    if kind == "other":
        return AnyValue.FromString(value)
    if kind in _VALUE_FIELDS:
        return AnyValue(**{_VALUE_FIELDS[kind]: value})
    field = _VALUE_FIELDS[kind.removesuffix("[]")]
    return AnyValue(array_value=ArrayValue(values=[AnyValue(**{field: item}) for item in value]))


JSON = OtlpForm(_json_message, _base64, _json_long, _json_kind, _json_status, _json_key_value)
WIRE = OtlpForm(_wire_message, _as_is, _as_is, _as_is, _as_is, _wire_key_value)
