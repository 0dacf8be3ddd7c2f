"""Errors of the language: what is wrong, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from traceql.ast import NOWHERE, SourceRange


class Fault(Enum):
    """Why validation refuses a query."""

    INVALID = "invalid"  # means nothing
    UNSUPPORTED = "unsupported"  # means something that no executor does


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding of validation; `message` is the text clients see."""

    message: str
    position: SourceRange = NOWHERE
    fault: Fault = Fault.INVALID


class TraceQLError(Exception):
    """A text that is no valid TraceQL query.

    `message` says what is wrong, `position` where, and `str()` is the text that clients see (without an endpoint's
    own prefix).
    """

    def __init__(self, message: str, position: SourceRange = NOWHERE) -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type[TraceQLError], tuple[object, ...]]:
        # Notes and attributes that somebody hung on an error on its way need not travel.
        return type(self), (self.message, self.position)

    @property
    def line(self) -> int:
        """Line of the fault, from 1; 0 when unknown."""
        return self.position.line

    @property
    def column(self) -> int:
        """Column of the fault in characters, from 1; 0 when unknown."""
        return self.position.column


class ParseError(TraceQLError):
    """The text does not follow the grammar."""

    def __str__(self) -> str:
        if not self.line and not self.column:
            return f"parse error : {self.message}"
        return f"parse error at line {self.line}, col {self.column}: {self.message}"


class ValidationError(TraceQLError):
    """The query follows the grammar but breaks a rule of types or values, or asks for what is not supported.

    `diagnostics` holds all findings; the error's own text is the first one's.
    """

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(diagnostics[0].message, diagnostics[0].position)
        self.diagnostics = diagnostics

    def __reduce__(self) -> tuple[type[TraceQLError], tuple[object, ...]]:
        return ValidationError, (self.diagnostics,)
