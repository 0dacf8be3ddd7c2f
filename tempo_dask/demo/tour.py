"""Questions to put to a server that has the shop's traces, as curl lines that can be copied."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from tempo_dask.demo.server import DemoFailed
from tempo_dask.demo.services import BAD_VERSION, DEPLOYED

ITEMS_SHOWN = 2
CHARACTERS_SHOWN = 70
LINE_WIDTH = 120
LINES_SHOWN = 28
TIMEOUT_S = 60.0

ERRORS = f'{{ resource.service.name = "{DEPLOYED}" && status = error && duration > 1s }}'
RATES = "{ } | rate() by (resource.service.name)"
NEXT = (
    f'{{ resource.service.name = "{DEPLOYED}" && status = error }} | rate() by (resource.service.version)',
    f'{{ resource.service.version = "{BAD_VERSION}" && status = error }}',
    '{ span.http.status_code >= 500 && rootName = "POST /cart/checkout" }',
    "{ kind = server && status = error } | rate() by (resource.service.name)",
    '{ span.payment.amount > 100 && span.payment.card_type =~ "visa|amex" }',
    '{ name = "orders process" }',
)


@dataclass(frozen=True, slots=True)
class Question:
    """A GET request to the query API, and what it asks in words."""

    asks: str
    path: str
    parameters: dict[str, str]

    def curl(self, url: str) -> str:
        """Return a line for a shell that asks the same."""
        if not self.parameters:
            return f"curl -s {url}{quote(self.path)}"
        data = [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in self.parameters.items()]
        return f"curl -sG {url}{quote(self.path)} {' '.join(data)}"

    def ask(self, url: str) -> Any:
        """Return the answer, parsed. Raises `DemoFailed` for any status but 200."""
        address = urlsplit(url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", f"{quote(self.path)}?{urlencode(self.parameters)}")
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            raise DemoFailed(f"{self.curl(url)}\nwas not answered: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise DemoFailed(f"{self.curl(url)}\nwas answered {response.status}: {body.decode(errors='replace')}")
        return orjson.loads(body)


@dataclass(frozen=True, slots=True)
class Tour:
    """The questions of the demo, over the seconds [start_s, end_s)."""

    start_s: int
    end_s: int

    @property
    def window(self) -> dict[str, str]:
        """The parameters that name the time."""
        return {"start": str(self.start_s), "end": str(self.end_s)}

    def errors(self) -> Question:
        """Ask for traces in which the service of the story failed."""
        asks = f"Where did {DEPLOYED} fail, and take longer than a second to do so?"
        return Question(asks, "/api/search", {"q": ERRORS, "limit": "5", **self.window})

    def trace(self, trace_id: str) -> Question:
        """Ask for a whole trace."""
        return Question("What happened in the newest of them?", f"/api/v2/traces/{trace_id}", {})

    def rates(self) -> Question:
        """Ask how many spans a second each service had."""
        asks = "How many spans a second did each service have, ten minutes at a time?"
        return Question(asks, "/api/metrics/query_range", {"q": RATES, "step": "10m", **self.window})


def newest_trace(answer: Any) -> str:
    """Return the id of the first trace that a search found."""
    traces = answer["traces"]
    if not traces:
        raise DemoFailed("the search found no trace, though the shop has errors: give more --spans")
    return str(traces[0]["traceID"])


def shorten(answer: Any) -> str:
    """Return an answer as JSON that a person can take in: long lists, texts and tails are cut, and say so."""
    lines = _lay_out(_cut(answer)).splitlines()
    left_out = len(lines) - LINES_SHOWN
    return "\n".join(lines if left_out <= 0 else [*lines[:LINES_SHOWN], f"... {left_out} more lines"])


def _lay_out(value: Any, indent: int = 0, name: str = "") -> str:
    """Return JSON in which whatever fits on a line, behind its name, stands on one."""
    flat = orjson.dumps(value).decode()
    if indent + len(name) + len(flat) <= LINE_WIDTH or not isinstance(value, dict | list):
        return name + flat
    if isinstance(value, list):
        first, last, named = "[", "]", [("", item) for item in value]
    else:
        first, last, named = "{", "}", [(f"{orjson.dumps(key).decode()}: ", item) for key, item in value.items()]
    margin = " " * indent
    body = (f"{margin}  {_lay_out(item, indent + 2, before)}" for before, item in named)
    return f"{name}{first}\n" + ",\n".join(body) + f"\n{margin}{last}"


def _cut(value: Any) -> Any:
    match value:
        case dict():
            return {key: _cut(item) for key, item in value.items()}
        case list() if len(value) > ITEMS_SHOWN:
            return [*map(_cut, value[:ITEMS_SHOWN]), f"... {len(value) - ITEMS_SHOWN} more"]
        case list():
            return [_cut(item) for item in value]
        case str() if len(value) > CHARACTERS_SHOWN:
            return value[:CHARACTERS_SHOWN] + "..."
    return value
