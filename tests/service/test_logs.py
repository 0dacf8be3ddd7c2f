"""Log lines can be read by machines."""

from __future__ import annotations

import json
import logging

from tempo_dask.logs import Json, Logfmt


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
