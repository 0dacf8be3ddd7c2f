"""The attributes that `compare()` looks at: all of spans, resources and scopes, and some intrinsics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from storage.columns import REST_KEYS, TABLE_OF_SCOPE, Scope, SourceMeta, is_attribute_column, split_column_name
from tempo_dask.physical.binder import Binder, SourceKey
from tempo_dask.physical.bound import Operand
from tempo_dask.physical.reader import UnitReader
from traceql.ast import Attribute, Intrinsic
from traceql.attributes import AttributeScope, IntrinsicKind

_SCOPES: tuple[Scope, ...] = ("resource", "span", "instrumentation")
_INTRINSICS = (
    IntrinsicKind.NAME,
    IntrinsicKind.STATUS,
    IntrinsicKind.STATUS_MESSAGE,
    IntrinsicKind.KIND,
    IntrinsicKind.TRACE_ROOT_NAME,
    IntrinsicKind.TRACE_ROOT_SERVICE,
    IntrinsicKind.INSTRUMENTATION_NAME,
    IntrinsicKind.INSTRUMENTATION_VERSION,
)
#: Keys that Tempo counts in every span, as nil where a span has none.
_OF_ALL_SPANS: tuple[tuple[Scope, str], ...] = (
    ("resource", "cluster"),
    ("resource", "container"),
    ("resource", "k8s.cluster.name"),
    ("resource", "k8s.container.name"),
    ("resource", "k8s.namespace.name"),
    ("resource", "k8s.pod.name"),
    ("resource", "namespace"),
    ("resource", "pod"),
    ("span", "http.method"),
    ("span", "http.request.method"),
    ("span", "http.route"),
    ("span", "http.status_code"),
    ("span", "http.url"),
    ("span", "server.address"),
    ("span", "url.path"),
    ("span", "url.route"),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """An attribute's values, the key under which it is shown, and whether spans without it count as `nil`."""

    operand: Operand
    key: str
    is_of_all_spans: bool = False


def compared_attributes(reader: UnitReader) -> Iterator[Compared]:
    """Yield the attributes that the spans of a unit may have."""
    meta = reader.source.meta
    yield from _listed(SourceKey(meta.tenant, meta.id, meta))
    binder = Binder(meta)
    for scope in _SCOPES:
        if _rest_keys(meta, scope) is None:  # too many to list: those that the unit has
            column = reader.column(TABLE_OF_SCOPE[scope], REST_KEYS)
            known = [] if column is None or column.dictionary is None else column.dictionary.to_pylist()
            listed = {*_OF_ALL_SPANS, *_in_columns(meta)}
            yield from (_compared(binder, scope, key) for key in sorted(known) if (scope, key) not in listed)


@lru_cache(maxsize=256)
def _listed(source: SourceKey) -> tuple[Compared, ...]:
    """Return what is known without reading; the units of a source, and queries that follow, share it."""
    meta, binder = source.meta, Binder(source.meta)
    in_rest = ((scope, key) for scope in _SCOPES for key in sorted(_rest_keys(meta, scope) or ()))
    attributes = dict.fromkeys([*_OF_ALL_SPANS, *_in_columns(meta), *in_rest])
    intrinsics = (Compared(binder.operand(Intrinsic(kind)), kind.value) for kind in _INTRINSICS)
    return (*intrinsics, *(_compared(binder, scope, key) for scope, key in attributes))


def _compared(binder: Binder, scope: Scope, key: str) -> Compared:
    operand = binder.operand(Attribute(AttributeScope(scope), key))
    return Compared(operand, f"{scope}.{key}", (scope, key) in _OF_ALL_SPANS)


def _in_columns(meta: SourceMeta) -> Iterator[tuple[Scope, str]]:
    for name in meta.columns:
        if is_attribute_column(name):
            scope, key, _ = split_column_name(name)
            if scope in _SCOPES:
                yield scope, key


def _rest_keys(meta: SourceMeta, scope: Scope) -> frozenset[str] | None:
    return meta.rest_keys.get(TABLE_OF_SCOPE[scope], frozenset())
