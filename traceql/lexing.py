"""What the lexer does beyond the grammar's patterns: literals get values, bad ones are refused where they stand."""

from __future__ import annotations

from collections.abc import Callable

from lark import Token

from traceql.ast import SourceRange
from traceql.durations import parse_duration
from traceql.errors import ParseError
from traceql.literals import LiteralError, parse_float, parse_integer, split_attribute, unquote


def position_of(token: Token) -> SourceRange:
    """Where a token stands."""
    start, line, column = token.start_pos or 0, token.line or 1, token.column or 1
    return SourceRange(start, start + len(token), line, column)


def _valued(convert: Callable[[str], object]) -> Callable[[Token], Token]:
    """A lexer callback that puts the literal's value into the token."""

    def callback(token: Token) -> Token:
        try:
            token.value = convert(str(token))
        except LiteralError as error:
            raise ParseError(str(error), position_of(token)) from None
        return token

    return callback


def _duration(token: Token) -> Token:
    token.value = parse_duration(token)
    if token.value is None:  # a number, then a word
        number = len(token) - len(token.lstrip("0123456789."))
        start = position_of(token)
        at = SourceRange(start.start + number, start.end, start.line, start.column + number)
        raise ParseError("syntax error: unexpected IDENTIFIER", at)
    return token


def _attribute(token: Token) -> Token:
    try:
        token.value = split_attribute(str(token))
    except LiteralError as error:
        raise ParseError(str(error), _relative(token)) from None
    if not token.value[1] and not token.endswith('"'):
        raise ParseError("syntax error: unexpected END_ATTRIBUTE, expecting IDENTIFIER", _relative(token))
    return token


def _relative(token: Token) -> SourceRange:
    """Faults inside an attribute are told with line 0, as clients know them."""
    return position_of(token)._replace(line=0)


def _character(token: Token) -> Token:
    """Text in single quotes: Go's scanner takes it for one character."""
    if token[0] == "'":
        if len(token) == 1 or token[-1] != "'":
            raise ParseError("literal not terminated", position_of(token))
        if len(token) != 3 and not (token[1] == "\\" and len(token) == 4):
            raise ParseError("invalid char literal", position_of(token))
    return token


def _comment(token: Token) -> Token:
    if token.startswith("/*") and (len(token) < 4 or not token.endswith("*/")):
        raise ParseError("comment not terminated", position_of(token))
    return token


CALLBACKS: dict[str, Callable[[Token], Token]] = {
    "STRING": _valued(unquote),
    "INTEGER": _valued(parse_integer),
    "FLOAT": _valued(parse_float),
    "DURATION": _duration,
    "ATTRIBUTE": _attribute,
    "CHARACTER": _character,
    "COMMENT": _comment,
}
