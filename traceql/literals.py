"""Literals and attribute names: from their spelling to their value and back.

What is refused here is refused with the texts of Go's scanner and number conversion, which clients see.
"""

from __future__ import annotations

import math
import re

from traceql.attributes import AttributeScope
from traceql.types import MAX_INT


class LiteralError(ValueError):
    """A spelling that stands for no value; the text is the reason."""


# ---- strings ----

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|[abfnrtv\\\"]|.?)", re.DOTALL)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def unquote(text: str) -> str:
    """The value of a string literal in double quotes (with Go's escapes) or in back quotes (as it stands)."""
    quote = text[0]
    if len(text) == 1 or text[-1] != quote or (quote == '"' and _ends_escaped(text)):
        raise LiteralError("literal not terminated")
    body = text[1:-1]
    if quote == "`":
        return body.replace("\r", "")
    return _unescape(body) if "\\" in body else body


def _ends_escaped(text: str) -> bool:
    """Whether the last quote is itself escaped: an odd number of backslashes stands before it."""
    body = text[1:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


def _unescape(body: str) -> str:
    """Replace escapes; bytes given in hexadecimal and octal are read together as UTF-8, where they can be."""
    pieces: list[bytes] = []
    end = 0
    for match in _ESCAPE.finditer(body):
        pieces += (body[end : match.start()].encode("utf-8", "surrogatepass"), _escaped(match.group(1)))
        end = match.end()
    pieces.append(body[end:].encode("utf-8", "surrogatepass"))
    return b"".join(pieces).decode("utf-8", "replace")


def _escaped(code: str) -> bytes:
    if code in _SIMPLE:
        return _SIMPLE[code].encode()
    if len(code) == 3 and code[0] in "x01234567":
        value = int(code[1:], 16) if code[0] == "x" else int(code, 8)
        if value < 256:
            return bytes((value,))
    elif len(code) > 3 and code[0] in "uU":
        point = int(code[1:], 16)
        if point <= _LAST_CODE_POINT and point not in _SURROGATES:
            return chr(point).encode()
    raise LiteralError("invalid char escape")


def quote_string(value: str) -> str:
    """A double-quoted literal that reads back as `value`."""
    return '"' + "".join(_QUOTED.get(char) or _printable(char) for char in value) + '"'


_QUOTED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


# ---- numbers ----

_BASES = {"x": ("hexadecimal", 16), "b": ("binary", 2), "o": ("octal", 8)}


def parse_integer(text: str) -> int:
    """A decimal 64-bit integer; other bases are scanned, then refused."""
    _check_digits(text)
    if not text.isascii() or not text.isdigit():
        raise LiteralError(f'strconv.Atoi: parsing "{text}": invalid syntax')
    digits = text.lstrip("0") or "0"
    if len(digits) > 19 or int(digits) > MAX_INT:
        raise LiteralError(f'strconv.Atoi: parsing "{text}": value out of range')
    return int(digits)


def _check_digits(text: str) -> None:
    """Raise for a digit outside of the base that a prefix, or a leading zero, says."""
    if len(text) < 2 or text[0] != "0":
        return
    prefix = text[1].lower()
    name, base = _BASES.get(prefix, ("octal", 8))
    digits = text[2:] if prefix in _BASES else text[1:]
    if not digits.strip("_"):
        raise LiteralError(f"{name} literal has no digits")
    for digit in digits:
        if digit.isdecimal() and int(digit) >= base:
            raise LiteralError(f"invalid digit '{digit}' in {name} literal")


def parse_float(text: str) -> float:
    """A finite decimal number."""
    if text[-1] in "eE+-":
        raise LiteralError("exponent has no digits")
    value = float(text)
    if math.isinf(value):
        raise LiteralError(f'strconv.ParseFloat: parsing "{text}": value out of range')
    return value


# ---- attribute names ----

_SCOPES = {scope.value: scope for scope in AttributeScope}
_NAME_PART = re.compile(r'[^"]+|"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BAD_NAME_ESCAPE = re.compile(r'\\(?![\\"])')
_BARE_NAME = re.compile(r'[^\s{}()=~!<>&|^,"]+')


def split_attribute(text: str) -> tuple[AttributeScope, str, bool]:
    """Scope, name and whether the parent span is meant, of `span.http.method` or `parent.resource."a b"`."""
    prefix, _, name = text.partition(".")
    of_parent = prefix == "parent"
    if of_parent:
        for scope in ("span", "resource"):
            if name.startswith(scope + "."):
                prefix, name = scope, name[len(scope) + 1 :]
                break
        else:
            prefix = ""
    return _SCOPES[prefix], unquote_name(name), of_parent


def unquote_name(text: str) -> str:
    """The name without the quotes of its parts, in which a backslash may precede a quote or a backslash alone."""
    if '"' not in text:
        return text
    return "".join(_name_part(part) for part in _NAME_PART.findall(text))


def _name_part(part: str) -> str:
    if part[0] != '"':
        return part
    if len(part) == 1 or part[-1] != '"' or _ends_escaped(part):
        raise LiteralError('unexpected EOF, expecting "')
    body = part[1:-1]
    if _BAD_NAME_ESCAPE.search(body.replace("\\\\", "")):
        raise LiteralError("invalid escape sequence")
    return re.sub(r"\\(.)", r"\1", body, flags=re.DOTALL)


def quote_name(scope: AttributeScope, name: str, *, must_quote: bool = False) -> str:
    """The name as it may stand behind its scope: quoted only where it must be."""
    starts_a_number = scope is AttributeScope.UNSCOPED and name[:1].isdecimal()
    if _BARE_NAME.fullmatch(name) and not starts_a_number and not must_quote:
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
