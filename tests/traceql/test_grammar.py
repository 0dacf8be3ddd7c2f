"""The grammar is unambiguous, and says nothing that nobody builds."""

from __future__ import annotations

import inspect
from importlib.resources import files

import pytest
from lark import Lark

from traceql import parse
from traceql.builder import Builder
from traceql.lexing import CALLBACKS
from traceql.parser import grammar

TEXT = files("traceql").joinpath("grammar.lark").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def strict() -> Lark:
    """The grammar, built so that any conflict between rules, or collision of terminals, is an error."""
    return Lark(TEXT, parser="lalr", lexer="basic", start="query", strict=True, maybe_placeholders=True)


def test_no_conflict_is_resolved_silently(strict: Lark) -> None:
    strict.parse("({}) >> ({} | coalesce())")


def test_every_rule_has_a_builder(strict: Lark) -> None:
    built = {rule.alias or rule.origin.name for rule in strict.rules if not rule.origin.name.startswith("__")}
    passed_on = {rule.origin.name for rule in strict.rules if rule.options.expand1}
    methods = {name for name, _ in inspect.getmembers(Builder, inspect.isfunction)}
    assert built - passed_on <= methods
    assert methods - {"negative_number"} <= built


def test_every_lexer_callback_has_a_terminal() -> None:
    assert set(CALLBACKS) <= {terminal.name for terminal in grammar().terminals}


def test_the_grammar_is_built_once() -> None:
    parse("{ }")
    assert grammar() is grammar()
