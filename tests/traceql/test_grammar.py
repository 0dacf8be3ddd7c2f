"""The grammar is unambiguous, and says nothing that nobody builds."""

from __future__ import annotations

import inspect
from importlib.resources import files
from pathlib import Path

import lark.lark
import pytest
from lark import Lark

from traceql import parse, parser
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


def test_tables_are_built_once_and_again_where_they_are_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, query = tmp_path / "cache" / "grammar.tables", "{ .a = 1 } | by(name) | count() > 2"
    monkeypatch.setattr(parser, "TABLES", tables)
    built = grammar.__wrapped__()
    whole = tables.read_bytes()

    def is_loaded() -> bool:
        with monkeypatch.context() as only_load:
            only_load.setattr(lark.lark, "load_grammar", None)  # which builds
            loaded = grammar.__wrapped__()
        names = [[one.name for one in of.terminals] for of in (built, loaded)]  # errors name them in this order
        return names[0] == names[1] and loaded.parse(query) == parse(query)

    assert is_loaded()
    for damaged in (b"", whole[:-100], whole[:70] + bytes(1000)):
        tables.write_bytes(damaged)
        assert grammar.__wrapped__().parse(query) == parse(query)
        assert is_loaded()
