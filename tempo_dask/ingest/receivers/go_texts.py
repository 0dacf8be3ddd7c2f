"""Numbers and ids out of text, refused in the words of Go's standard library, which clients of Tempo read."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from tempo_dask.ingest.records import MalformedRequest

_UINT64 = 1 << 64
_DIGITS: Final = {10: re.compile(r"[0-9]+"), 16: re.compile(r"[0-9a-fA-F]+")}
_JSON_KINDS: Final = {bool: "bool", str: "string", list: "array", dict: "object"}


def parse_uint(text: str, base: int, limit: int = _UINT64) -> int:
    """Return the number below `limit` that a text says. Raises MalformedRequest."""
    if not _DIGITS[base].fullmatch(text):
        msg = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise MalformedRequest(msg)
    significant = text.lstrip("0")[:20]  # longer is out of range, however long
    number = int(significant or "0", base)
    if len(text.lstrip("0")) > len(significant) or number >= limit:
        msg = f'strconv.ParseUint: parsing "{text}": value out of range'
        raise MalformedRequest(msg)
    return number


def parse_json(text: bytes | str) -> Any:
    """Return what a JSON text says. Raises MalformedRequest."""
    if not text.strip():
        msg = "unexpected end of JSON input"
        raise MalformedRequest(msg)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        msg = f"invalid JSON: {error}"
        raise MalformedRequest(msg) from error


def mismatch(value: object, field: str, expected: str) -> MalformedRequest:
    """Return the error for a JSON value of the wrong type."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        kind = f"number {value}" if "int" in expected else "number"
    else:
        kind = _JSON_KINDS.get(type(value), "null")
    return MalformedRequest(f"json: cannot unmarshal {kind} into Go struct field .{field} of type {expected}")
