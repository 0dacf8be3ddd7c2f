"""The attributes that `compare()` looks at: all of spans, resources and scopes, and some intrinsics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from storage.columns import REST_KEYS, TABLE_OF_SCOPE, Scope, is_attribute_column, split_column_name
from tempo_dask.physical.reader import UnitReader
from traceql.ast import Attribute, AttributeReference, Intrinsic
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
    """An attribute, the key under which it is shown, and whether spans without it count as `nil`."""

    reference: AttributeReference
    key: str
    is_of_all_spans: bool = False


def compared_attributes(reader: UnitReader) -> Iterator[Compared]:
    """Yield the attributes that the spans of a unit may have."""
    for kind in _INTRINSICS:
        yield Compared(Intrinsic(kind), kind.value)
    for scope, key in dict.fromkeys([*_OF_ALL_SPANS, *_in_columns(reader), *_in_rest(reader)]):
        reference = Attribute(AttributeScope(scope), key)
        yield Compared(reference, f"{scope}.{key}", (scope, key) in _OF_ALL_SPANS)


def _in_columns(reader: UnitReader) -> Iterator[tuple[Scope, str]]:
    for name in reader.source.meta.columns:
        if is_attribute_column(name):
            scope, key, _ = split_column_name(name)
            if scope in _SCOPES:
                yield scope, key


def _in_rest(reader: UnitReader) -> Iterable[tuple[Scope, str]]:
    for scope in _SCOPES:
        known = reader.source.meta.rest_keys.get(TABLE_OF_SCOPE[scope], frozenset())
        if known is None:  # too many to list: those that the unit has
            column = reader.column(TABLE_OF_SCOPE[scope], REST_KEYS)
            known = frozenset() if column is None or column.dictionary is None else column.dictionary.to_pylist()
        yield from ((scope, key) for key in sorted(known))
