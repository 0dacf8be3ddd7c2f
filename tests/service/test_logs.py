"""Log lines can be read by machines."""

from __future__ import annotations

import json
import logging

from tempo_dask.logs import MOST_A_MINUTE, Json, Logfmt, NotTooOften


def record(text: str, *, error: Exception | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("tempo_dask.x", logging.WARNING, "x.py", 7, text, (), info)


def test_logfmt_quotes_what_has_spaces() -> None:
    line = Logfmt().format(record('two "words"\n'))
    assert line.startswith("ts=")
    assert 'level=warn caller=tempo_dask.x:7 msg="two \\"words\\"' in line
    assert "msg=plain" in Logfmt().format(record("plain"))


def test_errors_stay_on_their_line() -> None:
    line = Logfmt().format(record("failed", error=ValueError("because")))
    assert "\n" not in line.replace("\\\n", "")
    assert 'err="ValueError: because"' in line


def test_json() -> None:
    fields = json.loads(Json().format(record("two words")))
    assert (fields["level"], fields["msg"]) == ("warn", "two words")


def test_a_warning_is_not_written_too_often() -> None:
    often = NotTooOften()
    begun = record("again").created
    lines = [record("again") for _ in range(MOST_A_MINUTE + 30)]
    for number, line in enumerate(lines):
        line.created = begun + number / 100
    assert sum(often.filter(line) for line in lines) == MOST_A_MINUTE
    query, later = record("query"), record("again")
    query.levelno = logging.INFO
    query.created, later.created = begun + 2, begun + 61
    assert often.filter(query)
    assert often.filter(later)
    assert "left_out=30" in Logfmt().format(later)
