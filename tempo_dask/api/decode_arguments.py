"""The parameters of a request, by name: an empty value counts as absent, the first of several counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

from tempo_dask.errors import BadRequest

T = TypeVar("T")


class Arguments:
    """Query parameters as text."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @classmethod
    def of_query(cls, query: str) -> Arguments:
        """Read the query string of a URL; what is no UTF-8 is replaced."""
        values: dict[str, str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="replace"):
            values.setdefault(name, value)
        return cls(values)

    @classmethod
    def of_lists(cls, values: Mapping[str, Sequence[bytes]]) -> Arguments:
        """Take parameters that are parsed but not decoded."""
        return cls({name: items[0].decode("utf-8", "replace") for name, items in values.items() if items})

    def text(self, name: str) -> str:
        """Return a parameter, "" where it is absent."""
        return self._values.get(name, "")

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Return a parsed parameter, None where it is absent; a parser's ValueError becomes `invalid <name>: ...`."""
        text = self.text(name)
        if not text:
            return None
        try:
            return parse(text)
        except ValueError as error:
            msg = f"invalid {name}: {error}"
            raise BadRequest(msg) from error
