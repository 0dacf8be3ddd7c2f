"""What queries ask of spans."""

from __future__ import annotations

import pytest

from traceql import Condition, conditions_of, format_query, parse


def written(condition: Condition) -> str:
    name = format_query(condition.attribute)
    if condition.op is None or condition.value is None:
        return name
    return f"{name} {condition.op.value} {format_query(condition.value)}"


@pytest.mark.parametrize(
    ("query", "conditions", "must_hold"),
    [
        ("{ }", [], True),
        ("{ .a = 1 }", [".a = 1"], True),
        ("{ 1 < .a }", [".a > 1"], True),
        ("{ .a }", [".a"], True),
        ("{ .a = nil }", [".a = nil"], True),
        ("{ nil != .a }", [".a != nil"], True),
        ('{ .a =~ "x" && name != "y" }', ['.a =~ "x"', 'name != "y"'], True),
        ("{ .a = 1 && .b + 1 = 2 }", [".a = 1", ".b"], True),
        ("{ .a = .b }", [".a", ".b"], True),
        ("{ !(.a = 1) }", [".a"], True),
        ("{ (.a = 1) = false }", [".a"], True),
        ("{ .a = 1 || .b = 2 }", [".a = 1", ".b = 2"], False),
        ("{ .a = 1 && (.b = 2 || .c = 3) }", [".a = 1", ".b = 2", ".c = 3"], False),
        ("{ .a = 1 } | { .b = 2 }", [".a = 1", ".b = 2"], True),
        ("{ .a = 1 } | count() > 1", [".a = 1"], True),
        ("{ .a = 1 } | count() > 1 | { .b = 2 }", [".a = 1", ".b = 2"], False),
        ("{ .a = 1 } | by(.b) | { .c = 3 }", [".a = 1", ".b", ".c = 3"], True),
        ("{ .a = 1 } | avg(.b) > 1 | select(.c, name)", [".a = 1", ".b", ".c", "name"], True),
        ("{ .a = 1 } >> { .b = 2 }", [".a = 1", ".b = 2"], False),
        ("{ .a = 1 } && { .b = 2 }", [".a = 1", ".b = 2"], False),
        ("{ } | { .a = 1 } >> { }", [".a = 1"], False),
        ("count() > 1", [], True),
        ("count() > 1 | { .a = 1 }", [".a = 1"], False),
        ("{ .a = 1 } | rate() by (.b)", [".a = 1", ".b"], True),
        ("{ .a = 1 } | max_over_time(.b) > 5", [".a = 1", ".b"], True),
        ("{ .a = 1 } | compare({ .b = 2 })", [".a = 1", ".b"], True),
        ("({ .a = 1 } | rate()) / ({ .b = 2 } | rate())", [".a = 1", ".b = 2"], False),
        ("{ .a = 1 && .a = 1 && .a = 2 }", [".a = 1", ".a = 2"], True),
        ("{ span:name = `x` } with (most_recent=true)", ['name = "x"'], True),
    ],
)
def test_conditions(query: str, conditions: list[str], must_hold: bool) -> None:
    asked = conditions_of(parse(query))
    assert [written(condition) for condition in asked.conditions] == conditions
    assert asked.all_must_hold == must_hold


def test_attributes_are_told_once_in_order() -> None:
    asked = conditions_of(parse("{ .b = .a && .b = 2 } | select(name, .a)"))
    assert [format_query(attribute) for attribute in asked.attributes] == [".b", ".a", "name"]
