"""Text to tree."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

from lark import Lark
from lark.exceptions import UnexpectedToken

from traceql.ast import Attribute, Intrinsic, Node, Query, SpansetFilter
from traceql.ast.walk import depth_of
from traceql.builder import Builder
from traceql.errors import ParseError
from traceql.lexing import CALLBACKS
from traceql.simplify import fold
from traceql.syntax_error import describe

# Deep trees break every recursive function on them, not only ours. Chains of `&&` and `||`, pipelines and parentheses
# add no depth.
MAX_DEPTH = 128
# Trees of texts up to this many characters are remembered: dashboards ask the same again and again.
MOST_REMEMBERED = 4_096


#: Where the tables of the parser are kept, as Python keeps what it compiled; those that do not fit are made anew.
TABLES = Path(__file__).with_name("__pycache__") / "grammar.tables"


@cache
def grammar() -> Lark:
    """The parser, loaded on first use: to build it takes half a second."""
    text = files("traceql").joinpath("grammar.lark").read_text(encoding="utf-8")
    with suppress(OSError):  # in a folder that is not ours it is built each time
        TABLES.parent.mkdir(exist_ok=True)
    return Lark(
        text,
        parser="lalr",
        lexer="basic",
        start="query",
        transformer=Builder(),
        lexer_callbacks=CALLBACKS,
        maybe_placeholders=True,
        cache=str(TABLES),
    )


def parse(text: str) -> Query:
    """The tree of a query. Raises ParseError for a text that is none; types and values are checked by `validate`.

    The same text mostly gives the same tree, which nobody changes.
    """
    return _checked(text) if len(text) <= MOST_REMEMBERED else _checked.__wrapped__(text)


@lru_cache(maxsize=512)
def _checked(text: str) -> Query:
    query = _parsed(text)
    if isinstance(query, ParseError):
        raise query  # here, so that no parser's state hangs on it as its context when it travels to another process
    _check_depth(query, text)
    if "/" in text or "%" in text:
        fold(query)  # raises for a division by zero, which clients expect as an error of parsing
    return query


def _parsed(text: str) -> Query | ParseError:
    try:
        query: Query = grammar().parse(text)  # type: ignore[assignment]  # the builder makes nodes, not Lark's trees
    except UnexpectedToken as error:
        return describe(error, text, tuple(grammar().terminals))
    return query


def _check_depth(node: Node, text: str) -> None:
    if len(text) > MAX_DEPTH and depth_of(node) > MAX_DEPTH:
        raise ParseError(f"query nests deeper than {MAX_DEPTH} levels", node.position)


def parse_attribute(text: str) -> Attribute | Intrinsic:
    """The attribute or intrinsic that `text` names; positions count the brace put around it, as clients know them."""
    query = parse("{" + text + "}")
    match query.root:
        case object(stages=(SpansetFilter(expression=Attribute() | Intrinsic() as attribute),)) if not query.hints:
            return attribute
    raise ParseError("syntax error: expected one attribute", query.position)
