"""`/api/overrides`: what users set for their own tenant."""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import orjson

from tempo_dask.api.contracts import UserOverrides
from tempo_dask.api.http.handler import JSON, TempoHandler
from tempo_dask.errors import BadRequest, NotFound, PreconditionFailed, PreconditionRequired, QueryFailed

_SKIP_CHECK = "skip-conflicting-overrides-check"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class OverridesHandler(TempoHandler):
    """The object of one tenant, with its version as `ETag`."""

    route = "api_overrides"
    SUPPORTED_METHODS = ("GET", "POST", "PATCH", "DELETE")

    async def answer(self, *_path: str) -> None:
        """Answer by method; without the feature there is no such path."""
        if self.api.overrides is None:
            self.refuse(HTTPStatus.NOT_FOUND, "404 page not found")
            return
        try:
            await {"GET": self._get, "POST": self._post, "PATCH": self._patch, "DELETE": self._delete}[
                self.request.method or "GET"
            ]()
        except NotFound:
            self.say_nothing(HTTPStatus.NOT_FOUND)
        except (BadRequest, PreconditionFailed) as error:
            self.refuse(error.status, f"{error}\n" if error.status == HTTPStatus.BAD_REQUEST else str(error))

    async def _get(self) -> None:
        scope = self.get_query_argument("scope", "api")
        if scope not in ("api", "merged"):
            msg = f'unknown scope "{scope}", valid options are api and merged'
            raise BadRequest(msg)
        verb = self._overrides.get if scope == "api" else self._overrides.merged
        self._say_limits(*await asyncio.to_thread(verb, self.api.tenant))

    async def _post(self) -> None:
        put = partial(self._overrides.put, despite_conflicts=self._despite_conflicts())
        version = await asyncio.to_thread(put, self.api.tenant, self.request.body, self._required_version())
        self.set_header("ETag", version)
        self.say_nothing(HTTPStatus.OK)

    async def _patch(self) -> None:
        apply = partial(self._overrides.patch, despite_conflicts=self._despite_conflicts())
        try:
            patch = orjson.loads(self.request.body)
        except orjson.JSONDecodeError as error:
            msg = "Invalid JSON Patch"
            raise QueryFailed(msg) from error
        self._say_limits(*await asyncio.to_thread(apply, self.api.tenant, patch))

    async def _delete(self) -> None:
        await asyncio.to_thread(self._overrides.delete, self.api.tenant, self._required_version())
        self.say_nothing(HTTPStatus.OK)

    @property
    def _overrides(self) -> UserOverrides:
        return cast("UserOverrides", self.api.overrides)

    def _required_version(self) -> str:
        version = self.request.headers.get("If-Match", "")
        if not version:
            msg = "must specify If-Match header"
            raise PreconditionRequired(msg)
        return version

    def _despite_conflicts(self) -> bool:
        """Return whether a change is made although an operator's settings speak of the same. Raises BadRequest."""
        text = self.get_query_argument(_SKIP_CHECK, "false")
        if text not in _TRUE | _FALSE:
            msg = f"could not parse {_SKIP_CHECK}, must be a boolean value"
            raise BadRequest(msg)
        return text in _TRUE

    def _say_limits(self, limits: dict[str, Any], version: str) -> None:
        self.set_header("ETag", version)
        self.say(orjson.dumps(limits).decode(), JSON)


routes = [(r"/api/overrides", OverridesHandler)]
