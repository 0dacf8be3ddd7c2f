"""The `tags` parameter of the search by tags: logfmt, `k=v k2="v 2"`."""

from __future__ import annotations

import json
import re

_KEY = re.compile(r'[^\s="]+')
_BARE = re.compile(r'[^\s="]*')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parse_logfmt(text: str) -> dict[str, str]:
    """Return keys and values (`a` and `a=` mean an empty value); raises ValueError with what is wrong and where."""
    tags: dict[str, str] = {}
    at = _skip_spaces(text, 0)
    while at < len(text):
        key = _KEY.match(text, at)
        if key is None:
            msg = f"unexpected '{text[at]}' at pos {at + 1}"
            raise ValueError(msg)
        value, at = _parse_value(text, key.end())
        if key[0] in tags:
            msg = f"tag {key[0]} has been set twice"
            raise ValueError(msg)
        tags[key[0]] = value
        at = _skip_spaces(text, at)
    return tags


def _skip_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _parse_value(text: str, at: int) -> tuple[str, int]:
    if at == len(text) or text[at].isspace():
        return "", at
    if text[at] != "=":
        msg = f"unexpected '{text[at]}' at pos {at + 1}"
        raise ValueError(msg)
    at += 1
    if text[at : at + 1] == '"':
        return _parse_quoted(text, at)
    bare = _BARE.match(text, at)
    end = at if bare is None else bare.end()
    if end < len(text) and not text[end].isspace():
        msg = f"unexpected '{text[end]}' at pos {end + 1}"
        raise ValueError(msg)
    return text[at:end], end


def _parse_quoted(text: str, at: int) -> tuple[str, int]:
    quoted = _QUOTED.match(text, at)
    if quoted is None:
        msg = f"unterminated quoted value at pos {len(text)}"
        raise ValueError(msg)
    try:
        value: str = json.loads(quoted[0], strict=False)
    except json.JSONDecodeError as error:
        msg = f"invalid quoted value at pos {at + 1}"
        raise ValueError(msg) from error
    return value.encode("utf-8", "replace").decode(), quoted.end()  # half a surrogate pair is no text
