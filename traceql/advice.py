"""Errors for people: an excerpt of the query with a caret under the fault, and what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches

from traceql.ast import SourceRange
from traceql.attributes import INTRINSICS, AttributeScope
from traceql.errors import ParseError, TraceQLError
from traceql.operators import AggregateFunction, MetricsFunction
from traceql.types import Kind, Status

_EXCERPT_BEFORE, _EXCERPT_AFTER = 60, 30
_STAGES = ("by", "coalesce", "select", "compare", "topk", "bottomk")
_FUNCTIONS = [function.value for family in (AggregateFunction, MetricsFunction) for function in family] + [*_STAGES]
_CONSTANTS = ["true", "false", "nil", *(value.name.lower() for family in (Status, Kind) for value in family)]
_WORDS = re.compile(r"[\w.:'-]*")
_LOGIC = {"and": "&&", "or": "||", "not": "!"}


def advise(text: str, error: TraceQLError) -> str:
    """The error's message, where it is in `text`, and a suggestion where there is one."""
    lines = [str(error)]
    if error.position.column:
        lines.append(excerpt(text, error.position))
    hint = suggestion(text, error)
    return "\n".join([*lines, f"hint: {hint}"] if hint else lines)


def excerpt(text: str, position: SourceRange) -> str:
    """The line of the text that holds the position, cut around it when it is long, and a caret below."""
    lines = text.split("\n")
    line = lines[min(max(position.line, 1), len(lines)) - 1]
    place = position.column - 1
    start = max(place - _EXCERPT_BEFORE, 0)
    shown = line[start : place + _EXCERPT_AFTER].replace("\t", " ").replace("\r", " ")
    return f"    {shown}\n    {' ' * (place - start)}^"


def suggestion(text: str, error: TraceQLError) -> str | None:
    """What was probably meant, or None."""
    before, after = text[: error.position.start], text[error.position.start :]
    rules = _SYNTAX if isinstance(error, ParseError) else _TYPES
    hints = (rule(before, after, error.message) for rule in rules)
    return next((hint for hint in hints if hint), None)


def _word_at(after: str) -> str:
    match = _WORDS.match(after)
    return match.group() if match else ""


def _closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`, or begins with it, letter case aside."""
    by_folded = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_folded, n=1, cutoff=0.7)
    begun = [name for name in by_folded if name.startswith(f"{word.lower()}_")]
    return by_folded[(close or begun)[0]] if close or begun else None


def _double_equals(before: str, after: str, _message: str) -> str | None:
    if after.startswith("=") and before.endswith("="):
        return "TraceQL compares with a single `=`"
    return None


def _single_quotes(_before: str, after: str, _message: str) -> str | None:
    return 'strings stand in double quotes or back quotes: "text"' if after.startswith("'") else None


def _spelled_logic(_before: str, after: str, _message: str) -> str | None:
    operator = _LOGIC.get(_word_at(after).lower())
    return f"write `{operator}`" if operator else None


def _unknown_function(before: str, after: str, _message: str) -> str | None:
    word = _word_at(after)
    if not word or not before.rstrip().endswith("|") or before.rstrip().endswith("||"):
        return None
    close = _closest(word, _FUNCTIONS)
    return f"did you mean `{close}`?" if close else f"there is no function `{word}`"


def _unknown_intrinsic(before: str, after: str, _message: str) -> str | None:
    scope, colon, _ = before.rstrip().rpartition(":")
    scope, word = re.split(r"\W", scope)[-1], _word_at(after)
    if not colon or not word or not before.endswith(":"):
        return None
    close = _closest(f"{scope}:{word}", (name for name in _SCOPED if name.startswith(f"{scope}:")))
    if close:
        return f"did you mean `{close}`?"
    return f"`{scope}:` begins an intrinsic; the attribute is `{scope}.{word}`"


def _missing_scope(before: str, after: str, message: str) -> str | None:
    word = _word_at(after)
    if not word or not (message.startswith("unknown identifier") or before.rstrip().endswith((",", "("))):
        return None
    scope, _, name = word.partition(":")
    if name and scope in _SCOPES:
        return f"did you mean the attribute `{scope}.{name}`?"
    is_operand = before.rstrip().endswith(("=", "~", "<", ">"))
    close = None if "." in word else _closest(word, [*_CONSTANTS, *([] if is_operand else INTRINSICS)])
    if close:
        return f"did you mean `{close}`?"
    if is_operand:
        return f'strings stand in quotes: "{word}"'
    return f"attributes need a scope: `.{word}`, `span.{word}` or `resource.{word}`"


def _missing_name(_before: str, _after: str, message: str) -> str | None:
    return "the name of the attribute is missing" if "END_ATTRIBUTE" in message else None


def _not_finished(before: str, after: str, message: str) -> str | None:
    if after or "$end" not in message:
        return None
    if before.count("{") > before.count("}"):
        return "a `}` is missing"
    if before.count("(") > before.count(")"):
        return "a `)` is missing"
    if re.search(r"\b(count|avg|min|max|sum)\s*\([^|]*\)\s*$", before):
        return "compare the aggregate with a number: `| count() > 1`"
    return None


def _not_closed(_before: str, after: str, message: str) -> str | None:
    return f"the closing `{after[:1]}` is missing" if "not terminated" in message and after[:1] in '"`' else None


def _quoted_keyword(_before: str, _after: str, message: str) -> str | None:
    match = re.search(r"\b(?:status|kind) !?= `(\w+)`", message)
    return f"`{match.group(1)}` stands without quotes" if match and match.group(1) in _CONSTANTS else None


def _alone(_before: str, _after: str, message: str) -> str | None:
    return "compare it with something" if "must resolve to a boolean" in message else None


_SCOPES = {scope.value for scope in AttributeScope} - {""}
_SCOPED = [kind.scoped_name for kind in INTRINSICS.values()]
_Rule = Callable[[str, str, str], str | None]  # text before the fault, text from it on, message
_SYNTAX: tuple[_Rule, ...] = (
    _double_equals,
    _single_quotes,
    _spelled_logic,
    _unknown_function,
    _unknown_intrinsic,
    _missing_scope,
    _missing_name,
    _not_finished,
    _not_closed,
)
_TYPES: tuple[_Rule, ...] = (_quoted_keyword, _alone)
