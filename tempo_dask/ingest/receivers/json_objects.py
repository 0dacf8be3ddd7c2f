"""Fields of JSON objects, each of the type it must be. A field that is null is absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tempo_dask.ingest.receivers.go_texts import mismatch

JsonObject: TypeAlias = Mapping[str, Any]

_UINT64 = 1 << 64


def text(of: JsonObject, field: str) -> str:
    """Return a string, "" where it is absent. Raises MalformedRequest."""
    value = of.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise mismatch(value, field, "string")
    return value


def unsigned(of: JsonObject, field: str, limit: int = _UINT64, kind: str = "uint64") -> int:
    """Return an integer from 0 and below `limit`, 0 where it is absent. Raises MalformedRequest."""
    value = of.get(field)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
        raise mismatch(value, field, kind)
    return value


def flag(of: JsonObject, field: str) -> bool:
    """Return a boolean, False where it is absent. Raises MalformedRequest."""
    value = of.get(field)
    if value is not None and not isinstance(value, bool):
        raise mismatch(value, field, "bool")
    return bool(value)


def inner(of: JsonObject, field: str) -> JsonObject:
    """Return an object, empty where it is absent. Raises MalformedRequest."""
    value = of.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise mismatch(value, field, "object")
    return value


def objects(of: JsonObject, field: str) -> Sequence[JsonObject]:
    """Return a list of objects, empty where it is absent. Raises MalformedRequest."""
    value = of.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise mismatch(value, field, "array")
    for item in value:
        if not isinstance(item, dict):
            raise mismatch(item, field, "object")
    return value
