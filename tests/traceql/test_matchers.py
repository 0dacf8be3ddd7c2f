"""What autocomplete may use of a query that is still being typed."""

from __future__ import annotations

import pytest

from traceql import format_query, matchers_of, parse_attribute, validate


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", None),
        ("garbage", None),
        ("{", None),
        ("{ }", None),
        ("{ .a = ", None),
        ("{ .a", None),
        ("{ .a }", None),
        ("{ true }", None),
        ("{ 1 = 1 }", None),
        ("{ .a = 1", "{ .a = 1 }"),
        ("{ .a = 1 }", "{ .a = 1 }"),
        ("  { .a = 1 }  ", "{ .a = 1 }"),
        ("{ .a = 1 && .b = ", "{ .a = 1 }"),
        ("{ .a =  && .b = 2 }", "{ .b = 2 }"),
        ("{ .a = 1 && }", "{ .a = 1 }"),
        ("{ span. && .b = 2 && resource.", "{ .b = 2 }"),
        ('{ .a = "x && y', None),
        ('{ .a = "x && y" && .b = "{|}" && .c = `||` ', '{ .a = "x && y" && .b = "{|}" && .c = "||" }'),
        ("{ .a = 1.5 && .b > -3 && duration > 1.5ms }", "{ .a = 1.5 && .b > -3 && duration > 1.5ms }"),
        ('{ .a != nil && name =~ "x.*" && status = error }', '{ .a != nil && name =~ "x.*" && status = error }'),
        ("{ (.a = 1 && .b = 2) && .c = 3", "{ (.a = 1 && .b = 2) && .c = 3 }"),
        ("{ !(.a = 1) }", "{ !(.a = 1) }"),
        ("{ (.a = 1 && .b = ", None),
        ("{ .a = 1 || .b = 2 }", None),
        ("{ .a = 1 } && { .b = 2 }", None),
        ("{ .a = 1 } >> { }", None),
        ("{ .a = 1 } | count() > 1", None),
        ("{ .a = 1 } with (x=1)", None),
    ],
)
def test_complete_conditions_are_kept(text: str, kept: str | None) -> None:
    query = matchers_of(text).query()
    assert (query and format_query(query)) == kept


def test_types_are_left_to_validation() -> None:
    query = matchers_of('{ status = "ok" && .a = ').query()
    assert query is not None
    assert validate(query) != ()


def test_the_attribute_that_is_asked_for() -> None:
    matchers = matchers_of('{ span.a = "x" && span.b != "y" && name = ')
    asked, other, missing = (parse_attribute(text) for text in ("span.a", "span.b", "span.c"))
    operand = matchers.operand_of(asked)
    assert operand is not None
    assert operand.value == "x"
    assert matchers.operand_of(other) is None
    assert matchers.without(other).conditions == matchers.conditions[:1]
    assert matchers.without(missing) == matchers
