"""Recorded exchanges: what was sent, and what Tempo answered."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, TypeAlias

import orjson

Exchange: TypeAlias = dict[str, Any]


def exchanges_of(shared: Path, area: str) -> list[Exchange]:
    """Return the exchanges of an area whose body was recorded whole."""
    lines = (shared / "conformance" / "http-exchanges.jsonl").read_bytes().splitlines()
    return [e for e in map(orjson.loads, lines) if e["area"] == area and "body_note" not in e]


def sent_body(exchange: Exchange) -> bytes | None:
    text = exchange.get("body")
    if text is None:
        return None
    return base64.b64decode(text) if exchange.get("encoding") == "base64" else text.encode()


def answered_body(exchange: Exchange) -> bytes:
    text = exchange.get("response_body", "")
    return base64.b64decode(text) if exchange.get("response_encoding") == "base64" else text.encode()
