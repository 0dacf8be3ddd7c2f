"""Integers and quoted text as Go's standard library reads and prints them: clients see its error texts."""

from __future__ import annotations

import re

_INTEGER = re.compile(r"[+-]?[0-9]+")
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def go_quote(text: str) -> str:
    """Return text in double quotes, with Go's escapes."""
    return '"' + "".join(_escape(character) for character in text) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def parse_integer(text: str, bits: int, function: str = "ParseInt") -> int:
    """Return a signed decimal integer of so many bits, or raise ValueError with Go's text."""
    if not _INTEGER.fullmatch(text):
        msg = f"strconv.{function}: parsing {go_quote(text)}: invalid syntax"
        raise ValueError(msg)
    # More digits than any 64-bit number has, leading zeros aside, are out of range: never parse a megabyte.
    digits = text.lstrip("+-").lstrip("0")
    value = int(text) if len(digits) < 20 else 1 << 64
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        msg = f"strconv.{function}: parsing {go_quote(text)}: value out of range"
        raise ValueError(msg)
    return value
