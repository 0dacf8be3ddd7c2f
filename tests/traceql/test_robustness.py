"""Long and deep texts are parsed or refused, never a crash or a hang; what is parsed can be used."""

from __future__ import annotations

import pickle
import sys
import threading
from contextlib import suppress

import pytest

from traceql import ParseError, TraceQLError, conditions_of, format_query, parse, simplify, validate
from traceql.ast import LogicalChain, Pipeline, Query, SpansetChain, SpansetFilter
from traceql.ast.walk import depth_of
from traceql.matchers import matchers_of
from traceql.parser import MAX_DEPTH

SIZE = 128 * 1024  # the longest query that a server takes
SMALL = 4 * 1024
DEEP = 2_000  # deeper than Python recurses
DEEPEST = 10_000


def use(query: Query) -> None:
    """Everything that goes through a whole tree."""
    again = parse(format_query(query))
    assert again == query
    assert hash(again) == hash(query)
    assert pickle.loads(pickle.dumps(query)) == query
    assert repr(query).startswith("Query(")
    assert validate(query) == ()
    assert format_query(simplify(query))
    assert conditions_of(query).attributes


def filled(begin: str, piece: str, end: str, size: int) -> str:
    """A text of the given size, made of one piece again and again."""
    return begin + piece * ((size - len(begin) - len(end)) // len(piece)) + end


@pytest.mark.parametrize(
    ("op", "length"), [("||", 1_000), ("&&", 1_000), pytest.param("||", 3_000, marks=pytest.mark.slow)]
)
def test_a_long_chain_is_one_node(op: str, length: int) -> None:
    query = parse("{ " + f" {op} ".join(f".a{number} = {number}" for number in range(length)) + " }")
    match query.root:
        case Pipeline(stages=(SpansetFilter(expression=LogicalChain(operands=operands)),)):
            assert len(operands) == length
        case _:
            pytest.fail("no chain")
    use(query)


def test_a_long_chain_of_spansets_is_one_node() -> None:
    query = parse(" && ".join(["{ .a }"] * 1_000))
    assert isinstance(query.root, Pipeline)
    (chain,) = query.root.stages
    assert isinstance(chain, SpansetChain)
    assert len(chain.operands) == 1_000
    use(query)


def test_a_long_pipeline_is_one_node() -> None:
    use(parse(" | ".join(["{ .a }"] * 1_000)))


@pytest.mark.parametrize(
    ("begin", "inside", "end"),
    [("{ ", ".a", " }"), ("", "{ .a }", ""), ("{ } | ", "count()", " > 1"), ("{ } | avg(", ".a", ") > 1")],
)
def test_parentheses_may_nest_as_they_like(begin: str, inside: str, end: str) -> None:
    assert parse(begin + "(" * DEEP + inside + ")" * DEEP + end) == parse(begin + inside + end)


def deep_texts(depth: int) -> list[str]:
    """Texts of about that depth, each deep in another way."""
    half = depth // 2
    return [
        "{ " + "!" * depth + ".a }",
        "{ " + "-" * depth + ".a = 1 }",
        "{ .a" + " + 1" * depth + " = 1 }",
        "{ .a" + " ^ 1" * depth + " = 1 }",
        "{ .a" + " = true" * depth + " }",
        "{ .a" + " && .b || .c" * half + " }",
        "{ " + "(.a && " * half + ".b" + ")" * half + " }",
        "{ }" + " >> { }" * depth,
        "{ }" + " && { } || { }" * half,
        "(" * half + "{ }" + " | count() > 1) && { }" * half,
        "{ } | count()" + " + 1" * depth + " > 1",
        "(" * half + "{ } | rate()" + ") + ({ } | rate())" * half,
    ]


@pytest.mark.parametrize(
    "text",
    [*deep_texts(DEEP), *(pytest.param(text, marks=pytest.mark.slow) for text in deep_texts(DEEPEST))],
    ids=lambda text: text[:24],
)
def test_deep_trees_are_refused(text: str) -> None:
    with pytest.raises(ParseError, match="nests deeper than"):
        parse(text)


def test_the_deepest_tree_is_usable_on_a_deep_stack() -> None:
    query = parse("{ " + "!" * (MAX_DEPTH - 4) + ".a }")
    assert depth_of(query) == MAX_DEPTH
    left = sys.getrecursionlimit() - 250  # as deep as a server's handlers may already be

    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)
        else:
            use(query)

    descend(left - 750 if left > 750 else 0)


LONG = [
    ("{ ", ".a||", ".a }"),
    ("", "{}|", "{}"),
    ("", "{}&&", "{}"),
    ('{ .a = "', "x", '" }'),
    ("{ .", "x", " = 1 }"),
    ("{ } | select(", ".a,", ".a)"),
    ("{ } with (", "a=1,", "b=2)"),
    ("{ }", " ", ""),
    ("{ } ", "/* */", ""),
    ("{ } | quantile_over_time(duration", ",.5", ")"),
]


@pytest.mark.parametrize("size", [SMALL, pytest.param(SIZE, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("begin", "piece", "end"), LONG)
def test_long_queries_parse(begin: str, piece: str, end: str, size: int) -> None:
    query = parse(filled(begin, piece, end, size))
    assert parse(format_query(query)) == query


PIECES = [
    "{",
    "}",
    "(",
    ")",
    '"',
    "'",
    "`",
    "\\",
    "|",
    "&",
    ".",
    "-",
    "1",
    "a",
    "/*",
    "//",
    "=.",
    '."',
    "∞",
    "=",
    "1e",
    "9s",
    "/*/",
    "span:",
    "!",
    "*/",
    "by(",
    "1.",
    '"a"',
    "&&",
    "||",
    ">>",
    ".a,",
]


@pytest.mark.parametrize("size", [SMALL, pytest.param(SIZE, marks=pytest.mark.slow)])
@pytest.mark.parametrize("piece", [*PIECES, "\0", "\n", "{ .a = ", "/* "])
def test_any_repeated_piece_is_refused_or_parsed(piece: str, size: int) -> None:
    for begin, end in (("", ""), ("{ ", ""), ("{ .a =~ ", " }"), ("{ .a =~ `", "` }")):
        text = filled(begin, piece, end, size)
        with suppress(TraceQLError):
            validate(parse(text))
        matchers_of(text)


@pytest.mark.parametrize(
    "pattern", ["(" * 5_000 + ")" * 5_000, "a" * 20_000, "(a*)*" * 500, "[" * 5_000, "(?i)" * 500 + "a", "a|" * 5_000]
)
def test_any_regex_is_judged(pattern: str) -> None:
    validate(parse("{ name =~ `" + pattern + "` }"))


def test_queries_may_be_parsed_in_many_threads() -> None:
    texts = [f"{{ .a{number} = {number} && duration > 1s }} | rate() by (.b{number})" for number in range(50)]
    expected = [parse(text) for text in texts]
    results: dict[int, list[Query]] = {}

    def work(worker: int) -> None:
        results[worker] = [parse(text) for text in texts]

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == expected for result in results.values())
    assert len(results) == 8
