"""Patterns are judged and matched as RE2 does; the RE2 inside pyarrow is asked for comparison."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traceql.regex import RegexError, is_valid_regex, python_pattern

VALID = [
    "",
    "a",
    "a|b",
    "(a|b)*c+?",
    "^a$",
    "a{2}",
    "a{2,}",
    "a{2,4}?",
    "a{,4}",
    "{",
    "a{x}",
    "}",
    "[abc]",
    "[^abc]",
    "[]a]",
    "[^]a]",
    "[a-]",
    "[-a]",
    "[a&&b]",
    "[a||b]",
    "[a~~b]",
    "[[a]",
    "[+--]",
    "[[:alpha:]]+",
    "[[:^alpha:]]+",
    "[[:^space:]a]",
    "[[:a]",
    "[[:word:]-]",
    "[[:space:][:digit:]]",
    r"\d\D\s\S\w\W",
    r"\bfoo\b",
    r"\Aa\z",
    r"\x41\x{42}\103",
    r"\Qa.b\E.",
    r"\Qa.b",
    r"\t\n\r\f\v\a",
    r"\.\*\[\]",
    r"\pL\p{Lu}\p{Greek}\PN\p{^L}",
    r"[\pL\d]",
    "(?i)abc",
    "(?i:a)b",
    "a(?i)b",
    "a(?i)b|c",
    "(a(?i)b|c)d",
    "(?P<name>a)",
    "(?s).",
    "(?-s).",
    "(?m)^a$",
    "(?U)a+",
    "a.b",
    "\n",
    "ü+",
]
INVALID = [
    "*",
    "+a",
    "a**",
    "a*+",
    "a{1001}",
    "a{2,1}",
    "(",
    ")",
    "(a",
    "a)",
    "[",
    "[a",
    "[b-a]",
    "[[:foo:]]",
    "[[:[[:alpha:]]",
    "[]",
    "[^]",
    "\\",
    r"\1",
    r"(a)\1",
    r"\Z",
    r"\y",
    r"\u0041",
    r"\p{Foo}",
    r"\x{110000}",
    "(?=a)",
    "(?!a)",
    "(?<=a)",
    "(?<!a)",
    "(?>a)",
    "(?#a)",
    "(?P=a)",
    "(?P<a",
    "(?z)",
    "(?",
    "|*",
    "(*)",
]
TEXTS = ["", *"ab-]&éüC1 {\n", "ab", "aB", "AB", "abc", "aa", "aaaa", "a\nb", "a.b", "foo", "[a", "cd", "aBd"]


def accepted(pattern: str) -> bool:
    """Whether RE2 compiles the pattern."""
    try:
        pc.match_substring_regex(pa.array(["x"]), pattern)
    except pa.ArrowInvalid:
        return False
    return True


def matched(pattern: str, text: str) -> bool:
    """Whether RE2 matches as TraceQL asks it to."""
    return bool(pc.match_substring_regex(pa.array([text]), rf"^(?s:{pattern})$")[0].as_py())


@pytest.mark.parametrize("pattern", VALID)
def test_valid(pattern: str) -> None:
    assert accepted(pattern)
    assert is_valid_regex(pattern)


@pytest.mark.parametrize("pattern", INVALID)
def test_invalid(pattern: str) -> None:
    assert not accepted(pattern)
    assert not is_valid_regex(pattern)


@pytest.mark.parametrize("pattern", [pattern for pattern in VALID if "\\Q" not in pattern and "(?U)" not in pattern])
def test_matches_what_re2_matches(pattern: str) -> None:
    ours = {text for text in TEXTS if python_pattern(pattern).fullmatch(text)}
    assert ours == {text for text in TEXTS if matched(pattern, text)}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*"ab.*+?|()[]{}^$-\\,12:", "(?:", "[[:alpha:]]", "\\d", "\\b", "{2}"]), max_size=8))
def test_any_pattern_is_judged_as_re2_judges_it(pieces: list[str]) -> None:
    pattern = "".join(pieces)
    assert is_valid_regex(pattern) == accepted(pattern)


def test_error_says_why() -> None:
    with pytest.raises(RegexError, match=re.escape("invalid nested repetition operator: *")):
        python_pattern("a**")
