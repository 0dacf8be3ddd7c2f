"""Log lines as Tempo's: one event a line, in logfmt or JSON, on standard error."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal

import orjson

_BARE = re.compile(r"[^\s\"=\\]+")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_NAMES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn"}

#: Lines of one warning that are written within a minute.
MOST_A_MINUTE = 100
_MINUTE_S = 60.0


def set_up(level: Literal["debug", "info", "warn", "error"], form: Literal["logfmt", "json"]) -> None:
    """Send the log of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Logfmt() if form == "logfmt" else Json())
    handler.addFilter(NotTooOften())
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)


class NotTooOften(logging.Filter):
    """Lets so many lines of each warning through a minute: what goes wrong with each request must not fill a disk.

    The first line of a later minute says in `left_out` how many there were besides.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}  # by place in the code: since when, how often

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written; what is no warning always is."""
        if record.levelno < logging.WARNING:
            return True
        place = (record.name, record.lineno)
        since_s, count = self._seen.get(place, (record.created, 0))
        if record.created >= since_s + _MINUTE_S:
            if count > MOST_A_MINUTE:
                record.fields = {**getattr(record, "fields", {}), "left_out": str(count - MOST_A_MINUTE)}
            since_s, count = record.created, 0
        self._seen[place] = (since_s, count + 1)
        return count < MOST_A_MINUTE


def _fields(record: logging.LogRecord) -> dict[str, str]:
    fields = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _NAMES.get(record.levelno, "error"),
        "caller": f"{record.name}:{record.lineno}",
        "msg": record.getMessage(),
        **getattr(record, "fields", {}),  # what the caller gives beside its message, as text
    }
    if record.exc_info:
        fields["err"] = logging.Formatter().formatException(record.exc_info)
    return fields


class Logfmt(logging.Formatter):
    """`key=value` pairs; values with spaces are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return " ".join(f"{key}={_quoted(value)}" for key, value in _fields(record).items())


class Json(logging.Formatter):
    """One JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return orjson.dumps(_fields(record)).decode()


def _quoted(text: str) -> str:
    return text if _BARE.fullmatch(text) else orjson.dumps(text).decode()
