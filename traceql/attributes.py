"""Scopes and intrinsics: what a span can be asked for, and how it is spelled."""

from __future__ import annotations

from enum import Enum

from traceql.types import StaticType


class AttributeScope(Enum):
    """Where an attribute is looked up; the value is its spelling before the dot."""

    UNSCOPED = ""  # the span, then its resource
    SPAN = "span"
    RESOURCE = "resource"
    EVENT = "event"
    LINK = "link"
    INSTRUMENTATION = "instrumentation"


class IntrinsicKind(Enum):
    """A built-in property; the value is its canonical (displayed) spelling."""

    DURATION = "duration"
    NAME = "name"
    STATUS = "status"
    STATUS_MESSAGE = "statusMessage"
    KIND = "kind"
    SPAN_ID = "span:id"
    PARENT_ID = "span:parentID"
    CHILD_COUNT = "span:childCount"
    TRACE_DURATION = "traceDuration"
    TRACE_ROOT_NAME = "rootName"
    TRACE_ROOT_SERVICE = "rootServiceName"
    TRACE_ID = "trace:id"
    EVENT_NAME = "event:name"
    EVENT_TIME_SINCE_START = "event:timeSinceStart"
    LINK_TRACE_ID = "link:traceID"
    LINK_SPAN_ID = "link:spanID"
    INSTRUMENTATION_NAME = "instrumentation:name"
    INSTRUMENTATION_VERSION = "instrumentation:version"
    NESTED_SET_LEFT = "nestedSetLeft"
    NESTED_SET_RIGHT = "nestedSetRight"
    NESTED_SET_PARENT = "nestedSetParent"
    PARENT = "parent"

    @property
    def scoped_name(self) -> str:
        """The spelling with a scope where there is one: `span:duration` for `duration`."""
        return _SCOPED.get(self, self.value)

    @property
    def type(self) -> StaticType:
        """The type validation assumes; ATTRIBUTE where any is accepted."""
        return _TYPES.get(self, StaticType.STRING)

    @property
    def is_id(self) -> bool:
        """A trace or span id, written in hex."""
        return self in _IDS

    @property
    def is_of_event(self) -> bool:
        """Has a value per event of the span."""
        return self.value.startswith("event:")

    @property
    def is_of_link(self) -> bool:
        """Has a value per link of the span."""
        return self.value.startswith("link:")


_SCOPED = {
    IntrinsicKind.DURATION: "span:duration",
    IntrinsicKind.NAME: "span:name",
    IntrinsicKind.STATUS: "span:status",
    IntrinsicKind.STATUS_MESSAGE: "span:statusMessage",
    IntrinsicKind.KIND: "span:kind",
    IntrinsicKind.TRACE_DURATION: "trace:duration",
    IntrinsicKind.TRACE_ROOT_NAME: "trace:rootName",
    IntrinsicKind.TRACE_ROOT_SERVICE: "trace:rootService",
}
_TYPES = {
    IntrinsicKind.DURATION: StaticType.DURATION,
    IntrinsicKind.STATUS: StaticType.STATUS,
    IntrinsicKind.KIND: StaticType.KIND,
    IntrinsicKind.CHILD_COUNT: StaticType.INT,
    IntrinsicKind.TRACE_DURATION: StaticType.DURATION,
    IntrinsicKind.EVENT_TIME_SINCE_START: StaticType.DURATION,
    IntrinsicKind.INSTRUMENTATION_NAME: StaticType.ATTRIBUTE,
    IntrinsicKind.INSTRUMENTATION_VERSION: StaticType.ATTRIBUTE,
    IntrinsicKind.NESTED_SET_LEFT: StaticType.INT,
    IntrinsicKind.NESTED_SET_RIGHT: StaticType.INT,
    IntrinsicKind.NESTED_SET_PARENT: StaticType.INT,
    IntrinsicKind.PARENT: StaticType.NIL,
}
_IDS = frozenset(
    {
        IntrinsicKind.SPAN_ID,
        IntrinsicKind.PARENT_ID,
        IntrinsicKind.TRACE_ID,
        IntrinsicKind.LINK_TRACE_ID,
        IntrinsicKind.LINK_SPAN_ID,
    }
)

# Every spelling of every intrinsic, both with and without scope.
INTRINSICS: dict[str, IntrinsicKind] = {
    spelling: kind for kind in IntrinsicKind for spelling in (kind.value, kind.scoped_name)
}
