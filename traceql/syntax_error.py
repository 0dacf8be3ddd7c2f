"""The text of a syntax error as a yacc parser words it: `syntax error: unexpected }, expecting = or !=`.

Such a parser reduces by default before it looks at the next token, so it complains in a later state than an LALR(1)
table does. That is replayed here: from the state in which Lark stopped, reduce while there is anything to reduce,
then name what could be shifted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeGuard

from lark import Token
from lark.exceptions import UnexpectedToken
from lark.grammar import Rule
from lark.lexer import PatternStr, TerminalDef
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_parser_state import ParserState

from traceql.ast import SourceRange
from traceql.builder import CONSTANTS, unknown_identifier
from traceql.errors import ParseError
from traceql.lexing import position_of

MOST_NAMED = 4  # of more candidates none is named

# Behind one of these any operator may follow. Our levels of precedence hide that, yacc's single level does not.
_OPEN_ENDED = frozenset({"field", "scalar"})


def describe(error: UnexpectedToken, text: str, terminals: Sequence[TerminalDef]) -> ParseError:
    """The refusal of `text` at the token that Lark did not expect; `terminals` in the order in which to name them."""
    state: ParserState[Any] = error.state
    word = state.value_stack[-1] if state.value_stack else None
    if _is_unknown(word) and _default_reduction(state.parse_conf.states[state.position]):
        return unknown_identifier(word)
    expected = _expected(state)
    named = [_name(terminal) for terminal in terminals if terminal.name in expected]
    message = f"syntax error: unexpected {_spelling(error.token, terminals)}"
    message += ", expecting " + " or ".join(named) if 0 < len(named) <= MOST_NAMED else ""
    return ParseError(message, _end_of(text) if error.token.type == "$END" else position_of(error.token))


def _is_unknown(word: object) -> TypeGuard[Token]:
    return isinstance(word, Token) and word.type in ("IDENTIFIER", "CHARACTER") and word not in CONSTANTS


def _expected(state: ParserState[Any]) -> set[str]:
    """The terminals that could be shifted after all default reductions; none where there are too many to name."""
    states = state.parse_conf.states
    stack = list(state.state_stack)
    while rule := _default_reduction(states[stack[-1]]):
        del stack[len(stack) - len(rule.expansion) :]
        stack.append(states[stack[-1]][rule.origin.name][1])
    if len(stack) > 1 and any(states[stack[-2]].get(symbol) == (Shift, stack[-1]) for symbol in _OPEN_ENDED):
        return set()
    return {name for name, (action, _) in states[stack[-1]].items() if action is Shift and name.isupper()} - {"$END"}


def _default_reduction(actions: dict[str, tuple[Any, Any]]) -> Rule | None:
    """The rule by which a yacc parser reduces in this state whatever comes next: the most frequent one."""
    rules = Counter(argument for action, argument in actions.values() if action is not Shift)
    return rules.most_common(1)[0][0] if rules else None


def _spelling(token: Token, terminals: Sequence[TerminalDef]) -> str:
    """The token as error texts name it."""
    if token.type == "$END":
        return "$end"
    if token.type == "ATTRIBUTE":
        return str(token).partition(".")[0] + "."
    return next(_name(terminal) for terminal in terminals if terminal.name == token.type)


def _name(terminal: TerminalDef) -> str:
    """A sign or keyword as it is written, other terminals by their kind."""
    if isinstance(terminal.pattern, PatternStr):
        return terminal.pattern.value
    return "IDENTIFIER" if terminal.name == "CHARACTER" else terminal.name


def _end_of(text: str) -> SourceRange:
    """Where the text ends; an empty one has no place at all."""
    if not text:
        return SourceRange(0, 0, 0, 0)
    line_start = text.rfind("\n") + 1
    return SourceRange(len(text), len(text), text.count("\n") + 1, len(text) - line_start + 1)
