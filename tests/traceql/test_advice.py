"""What people are told of a faulty query, and what the commands print."""

from __future__ import annotations

import pickle

import pytest

from traceql import ParseError, TraceQLError, ValidationError, parse, parse_attribute, require_valid
from traceql.command import check, explain, format_text


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("{ .a == 1 }", "TraceQL compares with a single `=`"),
        ("{ .a = 'x' }", 'strings stand in double quotes or back quotes: "text"'),
        ("{ .a = 'xyz' }", 'strings stand in double quotes or back quotes: "text"'),
        ("{ .a and .b }", "write `&&`"),
        ("{ .a OR .b }", "write `||`"),
        ("{ not .a }", "write `!`"),
        ("{ stauts = error }", "did you mean `status`?"),
        ("{ Duration > 1s }", "did you mean `duration`?"),
        ("{ span:nmae = 1 }", "did you mean `span:name`?"),
        ("{ span:foo = 1 }", "`span:` begins an intrinsic; the attribute is `span.foo`"),
        ("{ resource:service.name = 1 }", "did you mean the attribute `resource.service.name`?"),
        ("{ http.url = 1 }", "attributes need a scope: `.http.url`, `span.http.url` or `resource.http.url`"),
        ("{ } | rate() by (x.y)", "attributes need a scope: `.x.y`, `span.x.y` or `resource.x.y`"),
        ("{ status = eror }", "did you mean `error`?"),
        ("{ name = frontend }", 'strings stand in quotes: "frontend"'),
        ("{ } | cuont() > 1", "did you mean `count`?"),
        ("{ } | quantile(duration, .5)", "did you mean `quantile_over_time`?"),
        ("{ } | xyzzy()", "there is no function `xyzzy`"),
        ("{ span. = 1 }", "the name of the attribute is missing"),
        ("{ .a = 1", "a `}` is missing"),
        ("({ .a = 1 }", "a `)` is missing"),
        ("{ } | count()", "compare the aggregate with a number: `| count() > 1`"),
        ('{ .a = "x }', 'the closing `"` is missing'),
        ('{ status = "error" }', "`error` stands without quotes"),
        ('{ kind != "server" }', "`server` stands without quotes"),
        ("{ duration }", "compare it with something"),
    ],
)  # fmt: skip
def test_suggestion(query: str, hint: str) -> None:
    assert check(query).split("\n")[-1] == f"hint: {hint}"


@pytest.mark.parametrize("query", ["{ .a = }", "{ } { }", "{ 1 = true }", ""])
def test_no_suggestion_where_none_helps(query: str) -> None:
    assert "hint" not in check(query)


def test_excerpt_points_at_the_fault() -> None:
    assert check("{ .a = 1 }\n| { .b == 2 }") == (
        "parse error at line 2, col 9: syntax error: unexpected =\n"
        "    | { .b == 2 }\n"
        "            ^\n"
        "hint: TraceQL compares with a single `=`"
    )


def test_excerpt_of_a_long_line_is_cut() -> None:
    _, line, caret, *_ = check("{ " + ".a = 1 && " * 50 + ".b == 2" + " && .c = 3" * 50 + " }").split("\n")
    assert len(line) < 110
    assert line[caret.index("^") - 1 :].startswith("== 2 && .c")


def test_every_finding_is_told() -> None:
    report = check('{ name = 1 } | avg(name) > 1 | { status = "ok" }')
    assert report.count("^") == 3


def test_check_of_a_valid_query_says_nothing() -> None:
    assert check("{ .a = 1 } | rate()") == ""


def test_format() -> None:
    assert format_text("{.a=1&&span:name=`x`}|rate()by(.b)") == '{ .a = 1 && name = "x" } | rate() by (.b)'
    with pytest.raises(ParseError):
        format_text("{")


def test_explain() -> None:
    assert explain("{ 2 * 500 < duration && .a } | avg(duration) > 1s with (most_recent=true)").split("\n") == [
        "query",
        "  { 2 * 500 < duration && .a } | avg(duration) > 1s with (most_recent=true)",
        "simplified",
        "  { duration > 1000 && .a } | avg(duration) > 1s with (most_recent=true)",
        "tree",
        "  Query",
        "    Pipeline",
        "      SpansetFilter",
        "        LogicalChain &&",
        "          BinaryOperation >",
        "            Intrinsic duration",
        "            Static 1000",
        "          Attribute .a",
        "      ScalarFilter >",
        "        Aggregate avg",
        "          Intrinsic duration",
        "        Static 1s",
        "    Hint most_recent",
        "      Static true",
        "conditions",
        "  each must hold",
        "    duration > 1000",
        "    .a",
        "    duration",
    ]
    with pytest.raises(ValidationError):
        explain("{ name }")


def test_errors_know_their_place_and_travel() -> None:
    with pytest.raises(TraceQLError) as parsing:
        parse("{ .a\n = }")
    assert (parsing.value.line, parsing.value.column) == (2, 4)
    with pytest.raises(ValidationError) as validating:
        require_valid(parse("{ name = 1 && kind = 2 }"))
    assert len(validating.value.diagnostics) == 2
    for error in (parsing.value, validating.value):
        assert error.__context__ is None  # Dask's pickling takes it along
        other = pickle.loads(pickle.dumps(error))
        assert (str(other), other.position, type(other)) == (str(error), error.position, type(error))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one attribute"),
        ("1", "expected one attribute"),
        (".a = 1", "expected one attribute"),
        (".a } | { .b", "expected one attribute"),
        (".a } with (b=1) //", "parse error"),
        ("foo", "parse error at line 1, col 2: unknown identifier: foo"),
    ],
)
def test_parse_attribute_refuses(text: str, message: str) -> None:
    with pytest.raises(TraceQLError, match=message):
        parse_attribute(text)
