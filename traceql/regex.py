r"""Regular expressions: RE2's syntax, checked and translated without RE2 at hand.

A pattern is read token by token. What RE2 lacks (look-around, back-references, possessive and atomic groups) is
refused, what only RE2 has (`\pL`, `[[:alpha:]]`, `\z`, `\Q..\E`, `\x{1F}`, flags in mid-pattern) is translated, and
Python's own compiler judges the rest.
"""

from __future__ import annotations

import re
from functools import lru_cache

MOST_REPEATS = 1000


class RegexError(ValueError):
    """A pattern that RE2 would refuse."""


@lru_cache(maxsize=256)
def python_pattern(pattern: str) -> re.Pattern[str]:
    """Python's pattern that matches (with `fullmatch`) as TraceQL does: anchored at both ends, the dot takes newlines.

    Raises RegexError for what RE2 refuses. Unicode classes other than letters, digits and blanks are approximated.
    """
    try:
        return re.compile(_Translation().of(pattern), re.DOTALL | re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        raise RegexError(str(error)) from None


def is_valid_regex(pattern: str) -> bool:
    """Whether RE2 takes the pattern."""
    try:
        python_pattern(pattern)
    except RegexError:
        return False
    return True


_TOKEN = re.compile(
    r"""
      (?P<quoted>\\Q(?:.*?\\E|.*))
    | (?P<escape>\\[pP](?:\{\^?\w+\}|\w)|\\x\{[0-9a-fA-F]+\}|\\[0-7]{1,3}|\\.)
    | (?P<group>\((?:\?(?:[imsU]*(?:-[imsU]+)?[:)]|P?<\w+>))?)
    | (?P<close>\))
    | (?P<set>\[(?:\^\]|\^(?!\])|\]|(?![\]^]))(?:\[:.{0,99}?:\]|\\[pPx]\{[^}]*\}|\\.|[^\]\\])*\])
    | (?P<repeat>(?:[*+?]|\{\d+(?:,\d*)?\})\??)
    | (?P<other>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_IN_SET = re.compile(r"\[:.{0,99}?:\]|\\[pP](?:\{\^?\w+\}|\w)|\\x\{[0-9a-fA-F]+\}|\\[0-7]{1,3}|\\.|.", re.DOTALL)
# In groups, because Python repeats no bare anchor.
_ANCHORS = {r"\z": r"(?:\Z)", r"\A": r"(?:\A)", r"\b": r"(?:\b)", r"\B": r"(?:\B)"}
_KEPT_ESCAPE = re.compile(r"\\(?:[abABdDsSwWfnrtvx]|[^a-zA-Z0-9])", re.DOTALL)
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_ASCII = r"\x00-\x7f"
_LETTERS = {"Lu": "A-Z", "Ll": "a-z", "L": "A-Za-z", "Latin": "A-Za-z", "Any": _ASCII}
_UNICODE = {"N": "0-9", "Z": r"\s", "P": r"!-/:-@\[-`{-~", "S": "$+<=>^`|~"}


_CATEGORY = re.compile("C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?")
_SCRIPT = re.compile(
    "Arabic|Armenian|Balinese|Bengali|Bopomofo|Braille|Buginese|Canadian_Aboriginal|Cherokee|Common|Coptic|Cuneiform|"
    "Cypriot|Cyrillic|Deseret|Devanagari|Egyptian_Hieroglyphs|Ethiopic|Georgian|Glagolitic|Gothic|Greek|Gujarati|"
    "Gurmukhi|Han|Hangul|Hanunoo|Hebrew|Hiragana|Inherited|Javanese|Kannada|Katakana|Kayah_Li|Khmer|Lao|Latin|Lepcha|"
    "Limbu|Linear_B|Lisu|Malayalam|Mongolian|Myanmar|New_Tai_Lue|Nko|Ogham|Old_Italic|Old_Persian|Oriya|Osmanya|"
    "Phoenician|Runic|Samaritan|Saurashtra|Sinhala|Sundanese|Syriac|Tagalog|Tagbanwa|Tai_Le|Tai_Tham|Tamil|Telugu|"
    "Thaana|Thai|Tibetan|Tifinagh|Ugaritic|Vai|Yi"
)


class _Translation:
    """One pass over a pattern. Flags within it (`a(?i)b|c`) become groups that `|` and `)` close (`a(?i:b)|(?i:c)`)."""

    def __init__(self) -> None:
        self.flags: list[list[str]] = [[]]  # of each open group, the flag groups opened in it
        self.after_repeat = True

    def of(self, pattern: str) -> str:
        """Python's spelling of the pattern."""
        text = "".join(self.token(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(pattern))
        if len(self.flags) != 1:
            raise RegexError("missing closing )")
        return text + ")" * len(self.flags[0])

    def token(self, kind: str, text: str) -> str:
        """Python's spelling of one token."""
        if kind == "repeat":
            return self.repeat(text)
        self.after_repeat = False
        match kind:
            case "quoted":
                return re.escape(text[2:].removesuffix("\\E"))
            case "escape":
                return _escape(text)
            case "group":
                return self.group(text)
            case "close":
                return self.close()
            case "set":
                return _character_set(text)
            case _:
                return self.other(text)

    def repeat(self, text: str) -> str:
        """`*`, `{2,5}?`; one directly behind another is refused, and so is a count beyond RE2's limit."""
        if self.after_repeat:
            raise RegexError(f"invalid nested repetition operator: {text}")
        if any(int(count) > MOST_REPEATS for count in re.findall(r"\d{1,9}", text)):
            raise RegexError(f"invalid repeat count: {text}")
        self.after_repeat = True
        return text

    def group(self, text: str) -> str:
        """`(`, `(?:`, `(?P<name>`, `(?i)`."""
        self.after_repeat = True  # nothing to repeat yet
        text = text.replace("(?<", "(?P<").replace("U", "").replace("-:", ":").replace("-)", ")")
        if text.startswith("(?") and text.endswith(")"):
            if text == "(?)":
                return ""
            self.flags[-1].append(text[:-1] + ":")
            return self.flags[-1][-1]
        self.flags.append([])
        return text

    def close(self) -> str:
        """`)`, with it the flags set in its group."""
        if len(self.flags) == 1:
            raise RegexError("unexpected )")
        return ")" * (len(self.flags.pop()) + 1)

    def other(self, text: str) -> str:
        """A character, or one of `| $ ^ .`."""
        if text == "|":
            self.after_repeat = True
            return ")" * len(self.flags[-1]) + "|" + "".join(self.flags[-1])
        if text == "[":
            raise RegexError("missing closing ]")
        if text == "$":
            is_multiline = any("m" in flag for level in self.flags for flag in level)
            return "(?:$)" if is_multiline else r"(?:\Z)"
        if text == "^":
            return "(?:^)"
        return "\\" + text if text in "{}" else text


def _escape(text: str) -> str:
    """An escape outside of brackets."""
    if text[1] in "pP" and len(text) > 2:
        inside, is_negated = _unicode_class(text)
        return f"[{'^' * is_negated}{inside}]"
    if text in _ANCHORS:
        return _ANCHORS[text]
    return _character(text)


def _character(text: str) -> str:
    """An escape that stands for one character or an ASCII class, inside of brackets or not."""
    if text.startswith(r"\x{"):
        point = int(text[3:-1], 16)
        if point > 0x10FFFF:
            raise RegexError(f"invalid escape sequence: {text}")
        return re.escape(chr(point))
    if text[1:].isdigit() and text[1:].isascii():
        if len(text) == 2 and text != r"\0":
            raise RegexError(f"invalid escape sequence: {text}")  # a back-reference
        return re.escape(chr(int(text[1:], 8)))
    if not _KEPT_ESCAPE.fullmatch(text):
        raise RegexError(f"invalid escape sequence: {text}")
    return text


def _unicode_class(text: str) -> tuple[str, bool]:
    r"""The inside of a bracket that approximates `\pL` or `\P{Greek}`, and whether it is to be negated."""
    name = text[2:].strip("{}")
    is_negated = (text[1] == "P") != name.startswith("^")
    name = name.lstrip("^")
    is_category = _CATEGORY.fullmatch(name) is not None
    if is_category and name[0] in _UNICODE:
        return _UNICODE[name[0]], is_negated
    if name not in _LETTERS and not is_category and not _SCRIPT.fullmatch(name):
        raise RegexError(f"invalid character class range: {text}")
    return _LETTERS.get(name, "") + r"\x80-\U0010ffff", is_negated


def _character_set(text: str) -> str:
    """`[...]`, with all that Python might take for set operations escaped."""
    head = re.match(r"\[\^?\]?", text)
    begin = head.end() if head else 1
    parts: list[str] = []
    for item in _IN_SET.findall(text[begin:-1]):
        is_first = not parts and not text[:begin].endswith("]")
        parts.append(_set_item(item, is_first=is_first, follows_dash=bool(parts) and parts[-1] == "-"))
    return text[:begin].replace("]", r"\]") + "".join(parts) + "]"


def _set_item(item: str, *, is_first: bool, follows_dash: bool) -> str:
    if item.startswith("[:"):
        return _posix_class(item)
    if item[:2] in (r"\p", r"\P") and len(item) > 2:
        inside, is_negated = _unicode_class(item)
        return _ASCII if is_negated else inside
    if item == "-":
        return r"\-" if is_first or follows_dash else "-"
    if len(item) == 1:
        return "\\" + item if item in "[&~|" else item
    if item in (r"\b", r"\B", r"\A"):
        raise RegexError(f"invalid escape sequence: {item}")
    return _character(item)


def _posix_class(item: str) -> str:
    """The inside of a bracket for `[:alpha:]` or `[:^alpha:]`."""
    name = item[2:-2]
    inside = _POSIX.get(name.removeprefix("^"))
    if inside is None:
        raise RegexError(f"invalid character class range: {item}")
    if not name.startswith("^"):
        return inside
    others = (chr(point) for point in range(128) if not re.fullmatch(f"[{inside}]", chr(point)))
    return "".join(map(re.escape, others)) + r"\x80-\U0010ffff"
