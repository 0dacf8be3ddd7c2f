"""What plain keys mean: in tag values and in the search by tags, where keys have no scope."""

from __future__ import annotations

from collections.abc import Mapping

from traceql.ast import Attribute, AttributeReference, Intrinsic
from traceql.attributes import AttributeScope, IntrinsicKind

#: Scopes in which an attribute without one is listed.
_PLAIN_SCOPES = (AttributeScope.RESOURCE, AttributeScope.SPAN, AttributeScope.INSTRUMENTATION)

_RESOURCE_KEYS = (
    "service.name",
    "cluster",
    "namespace",
    "pod",
    "container",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
)
_INTRINSICS: Mapping[str, AttributeReference] = {
    "name": Intrinsic(IntrinsicKind.NAME),
    "root.name": Intrinsic(IntrinsicKind.TRACE_ROOT_NAME),
    "root.service.name": Intrinsic(IntrinsicKind.TRACE_ROOT_SERVICE),
}

#: Keys that a search by tags finds by a part of their text.
WELL_KNOWN: Mapping[str, AttributeReference] = {
    **{key: Attribute(AttributeScope.RESOURCE, key) for key in _RESOURCE_KEYS},
    "http.method": Attribute(AttributeScope.SPAN, "http.method"),
    "http.url": Attribute(AttributeScope.SPAN, "http.url"),
    **_INTRINSICS,
}

#: Values that clients look for under keys that spans need not have.
VIRTUAL_VALUES: Mapping[str, tuple[str, ...]] = {"status.code": ("error", "ok", "unset"), "error": ("true",)}

#: Other names of intrinsics in tag values.
_ALSO = {
    "rootName": _INTRINSICS["root.name"],
    "rootServiceName": _INTRINSICS["root.service.name"],
}


def attributes_of_key(key: str) -> tuple[AttributeReference, ...]:
    """Return what a plain key lists the values of."""
    intrinsic = _INTRINSICS.get(key) or _ALSO.get(key)
    return in_plain_scopes(key) if intrinsic is None else (intrinsic,)


def in_plain_scopes(key: str) -> tuple[Attribute, ...]:
    """Return the attribute in each scope in which it is looked for without one."""
    return tuple(Attribute(scope, key) for scope in _PLAIN_SCOPES)


#: What the scope of intrinsics lists: every spelling that clients know.
INTRINSIC_TAGS = (
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "link:spanID",
    "link:traceID",
    "name",
    "rootName",
    "rootServiceName",
    "span:duration",
    "span:id",
    "span:kind",
    "span:name",
    "span:parentID",
    "span:status",
    "span:statusMessage",
    "status",
    "statusMessage",
    "trace:duration",
    "trace:id",
    "trace:rootName",
    "trace:rootService",
    "traceDuration",
)
