"""Spans of many traces as export requests: grouped by pod and scope, one request for each zone's collector."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from tempo_dask.demo.services import ZONES, Pod, Pods, encode_scope
from tempo_dask.demo.template import Template

RESOURCE_SCHEMA = b"https://opentelemetry.io/schemas/1.24.0"
# Field numbers of opentelemetry.proto.trace.v1: `ExportTraceServiceRequest`, `ResourceSpans`, `ScopeSpans`.
RESOURCE_SPANS, RESOURCE, SCOPE_SPANS, SCOPE, SCHEMA_URL = 1, 1, 2, 1, 3


class Batch:
    """What the collectors hold until they send: encoded spans by pod and scope."""

    def __init__(self) -> None:
        self.spans = 0
        self._held: dict[Pod, dict[tuple[int, int], list[bytes]]] = {}

    def add(self, template: Template, copy: bytes, pods: Pods, luck: int) -> None:
        """Add a copied trace; `luck` says which replica of each service recorded it."""
        for piece in template.pieces:
            replicas = pods[piece.service]
            scopes = self._held.setdefault(replicas[luck % len(replicas)], {})
            scopes.setdefault((piece.service, piece.scope), []).append(copy[piece.start : piece.stop])
        self.spans += template.spans

    def requests(self) -> Iterator[bytes]:
        """Yield the body of a request for each zone that has spans."""
        for zone in range(len(ZONES)):
            pods = {pod: scopes for pod, scopes in self._held.items() if pod.zone == zone}
            if pods:
                yield b"".join(_field(RESOURCE_SPANS, _resource_spans(pod, scopes)) for pod, scopes in pods.items())


def _resource_spans(pod: Pod, scopes: dict[tuple[int, int], list[bytes]]) -> bytes:
    scope_spans = (_field(SCOPE_SPANS, _scope(*scope) + b"".join(spans)) for scope, spans in scopes.items())
    return b"".join((_field(RESOURCE, pod.resource), *scope_spans, _field(SCHEMA_URL, RESOURCE_SCHEMA)))


@lru_cache
def _scope(service: int, scope: int) -> bytes:
    return _field(SCOPE, encode_scope(service, scope))


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited protobuf field."""
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
