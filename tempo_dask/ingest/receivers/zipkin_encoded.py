"""What OpenTelemetry's exporters write into Zipkin's strings: attributes of events, and links."""

from __future__ import annotations

from typing import Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tempo_dask.ingest.receivers.go_texts import parse_json, parse_uint
from tempo_dask.ingest.receivers.otlp_building import Value, add_attributes
from tempo_dask.ingest.records import MalformedRequest

_UINT32: Final = 1 << 32


def fill_event(event: Span.Event, value: str) -> None:
    """Set name and attributes of an event from `name` or `name|<json>|<dropped>`. Raises MalformedRequest."""
    event.name, bar, rest = value.partition("|")
    if not bar or "|" not in rest:
        return
    attributes, _, dropped = rest.rpartition("|")
    add_attributes(event.attributes, _attributes(attributes))
    event.dropped_attributes_count = parse_uint(dropped, 10, _UINT32)


def take_links(span: Span, tags: dict[str, str]) -> None:
    """Move tags `otlp.link.0`, `otlp.link.1` and so on out of `tags` and into links. Raises MalformedRequest."""
    number = 0
    while (value := tags.pop(f"otlp.link.{number}", None)) is not None:
        number += 1
        parts = value.split("|", 3)
        if len(parts) < 4 or "|" not in parts[3]:
            continue
        attributes, _, dropped = parts[3].rpartition("|")
        link = span.links.add(trace_id=_id(parts[0], 16), span_id=_id(parts[1], 8), trace_state=parts[2])
        add_attributes(link.attributes, _attributes(attributes))
        link.dropped_attributes_count = parse_uint(dropped, 10, _UINT32)


def _attributes(text: str) -> dict[str, Value]:
    """Return the plain values of a JSON object; those within values are left out."""
    found = parse_json(text)
    if found is None:
        return {}
    if not isinstance(found, dict):
        msg = "json: cannot unmarshal into Go value of type map[string]interface {}"
        raise MalformedRequest(msg)
    return {key: value for key, value in found.items() if isinstance(value, str | bool | int | float)}


def _id(digits: str, size: int) -> bytes:
    if len(digits) != 2 * size:
        msg = "invalid length for ID"
        raise MalformedRequest(msg)
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        msg = f"encoding/hex: invalid byte in {digits!r}"
        raise MalformedRequest(msg) from error
