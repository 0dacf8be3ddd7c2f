"""Thrift structs by description: only fields that are described are kept, all else is read over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tempo_dask.ingest.receivers.thrift_wire import (
    BOOL,
    DOUBLE,
    LIST,
    STOP,
    STRING,
    STRUCT,
    Reader,
    skip,
)
from tempo_dask.ingest.records import MalformedRequest


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct; `struct` is its type, or that of a list's elements."""

    name: str
    kind: int
    required: bool = False
    struct: Struct | None = None
    text: bool = False  # a string that is text, not bytes


@dataclass(frozen=True, slots=True)
class Struct:
    """The fields of a struct, by number.

    What is required keeps a body from unpacking to many times its size: no element is a single byte.
    """

    name: str
    fields: Mapping[int, Field]


def read_struct(reader: Reader, struct: Struct) -> dict[str, Any]:
    """Return the fields that are there, by name. Raises MalformedRequest."""
    found: dict[str, Any] = {}
    number = 0
    while True:
        kind, number = _field(reader, struct, number)
        if kind == STOP:
            break
        field = struct.fields.get(number)
        if field is None or field.kind != kind:
            skip(reader, kind)
        else:
            found[field.name] = _read(reader, field)
    for field in struct.fields.values():
        if field.required and field.name not in found:
            msg = f"Required field {field.name[0].upper()}{field.name[1:]} is not set"
            raise MalformedRequest(msg)
    return found


def read_structs(reader: Reader, struct: Struct) -> list[dict[str, Any]]:
    """Return the elements of a list of structs. Raises MalformedRequest."""
    kind, count = reader.elements()
    if count and kind != STRUCT:
        msg = f"expected a list of {struct.name}, found elements of type {kind}"
        raise MalformedRequest(msg)
    return [read_struct(reader, struct) for _ in range(count)]


def _field(reader: Reader, struct: Struct, last: int) -> tuple[int, int]:
    try:
        return reader.field(last)
    except MalformedRequest as error:
        msg = f"*{struct.name} field {last} read error: {error}"
        raise MalformedRequest(msg) from error


def _read(reader: Reader, field: Field) -> Any:
    if field.kind == STRUCT and field.struct:
        return read_struct(reader, field.struct)
    if field.kind == LIST and field.struct:
        return read_structs(reader, field.struct)
    if field.kind == STRING:
        blob = reader.blob()
        return blob.decode(errors="replace") if field.text else blob
    if field.kind == BOOL:
        return reader.boolean()
    if field.kind == DOUBLE:
        return reader.double()
    return reader.integer(field.kind)
