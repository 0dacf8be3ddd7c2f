"""The types of TraceQL values and the rules for mixing them (a value without a known type is an ATTRIBUTE)."""

from __future__ import annotations

from enum import Enum, IntEnum


class StaticType(Enum):
    """The type of a value; the text is how clients see it (`type` of a tag value, where there is one)."""

    NIL = "nil"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    STRING = "string"
    DURATION = "duration"
    STATUS = "status"
    KIND = "kind"
    BOOL_ARRAY = "bool array"
    INT_ARRAY = "int array"
    FLOAT_ARRAY = "float array"
    STRING_ARRAY = "string array"
    ATTRIBUTE = "attribute"

    @property
    def is_numeric(self) -> bool:
        """Integers, floats and durations: they compare and compute with one another."""
        return self in _NUMERIC

    @property
    def is_array(self) -> bool:
        """A homogeneous array; a comparison with it holds when it holds for any element."""
        return self in _ELEMENTS

    @property
    def element(self) -> StaticType:
        """The type of an array's elements; any other type is its own element."""
        return _ELEMENTS.get(self, self)

    def matches(self, other: StaticType) -> bool:
        """Whether a binary operation may have operands of these two types."""
        if StaticType.NIL in (self, other) or StaticType.ATTRIBUTE in (self, other):
            return True
        mine, theirs = self.element, other.element
        return mine is theirs or (mine.is_numeric and theirs.is_numeric)


_NUMERIC = frozenset({StaticType.INT, StaticType.FLOAT, StaticType.DURATION})
_ELEMENTS = {
    StaticType.BOOL_ARRAY: StaticType.BOOL,
    StaticType.INT_ARRAY: StaticType.INT,
    StaticType.FLOAT_ARRAY: StaticType.FLOAT,
    StaticType.STRING_ARRAY: StaticType.STRING,
}


class Status(IntEnum):
    """Span status, numbered as in OTLP."""

    UNSET = 0
    OK = 1
    ERROR = 2


class Kind(IntEnum):
    """Span kind, numbered as in OTLP."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


MIN_INT = -(2**63)
MAX_INT = 2**63 - 1

# What a static holds: durations are nanoseconds, arrays are tuples, nil is None.
StaticValue = None | bool | int | float | str | tuple[bool, ...] | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
