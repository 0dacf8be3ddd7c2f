"""`/api/search/tags`, `/api/search/tag/{name}/values`, and both below `/api/v2`."""

from __future__ import annotations

from functools import partial

from tempo_dask.api.decode_tag_requests import decode_key_values, decode_tag_names, decode_tag_values
from tempo_dask.api.encode_tags import (
    encode_key_values_json,
    encode_key_values_protobuf,
    encode_tag_values_json,
    encode_tag_values_llm,
    encode_tag_values_protobuf,
    encode_tags_json,
    encode_tags_protobuf,
    encode_tags_v2_json,
    encode_tags_v2_protobuf,
)
from tempo_dask.api.http.handler import JSON, LLM, PROTOBUF, TempoHandler
from tempo_dask.engine.requests import TagNamesRequest


class TagsHandler(TempoHandler):
    """Tag names, the first version: one list."""

    route = "api_search_tags"

    async def answer(self, *_path: str) -> None:
        """Answer the names of all scopes together."""
        request = self.names_request()
        result = await self.ask(self.api.engine.tag_names(request))
        if self.shape == "protobuf":
            await self.reply(PROTOBUF, partial(encode_tags_protobuf, request, result))
        else:
            await self.reply(JSON, partial(encode_tags_json, request, result))

    def names_request(self) -> TagNamesRequest:
        """Return what is asked for."""
        return decode_tag_names(self.arguments, self.api.tenant, self.api.now_ns(), self.api.limits)


class TagsV2Handler(TagsHandler):
    """Tag names, the second version: a list for each scope."""

    route = "api_v2_search_tags"

    async def answer(self, *_path: str) -> None:
        """Answer the names by scope."""
        result = await self.ask(self.api.engine.tag_names(self.names_request()))
        if self.shape == "protobuf":
            await self.reply(PROTOBUF, partial(encode_tags_v2_protobuf, result))
        else:
            await self.reply(JSON, partial(encode_tags_v2_json, result))


class TagValuesHandler(TempoHandler):
    """Tag values, the first version: a plain key, values as text."""

    route = "api_search_tag_tagname_values"

    async def answer(self, *path: str) -> None:
        """Answer the values of a key in all scopes."""
        request = decode_key_values(path[0], self.arguments, self.api.tenant, self.api.now_ns(), self.api.limits)
        result = await self.ask(self.api.engine.key_values(request))
        if self.shape == "protobuf":
            await self.reply(PROTOBUF, partial(encode_key_values_protobuf, result))
        else:
            await self.reply(JSON, partial(encode_key_values_json, result))


class TagValuesV2Handler(TempoHandler):
    """Tag values, the second version: a TraceQL attribute, values with types."""

    route = "api_v2_search_tag_tagname_values"

    async def answer(self, *path: str) -> None:
        """Answer the values of an attribute or intrinsic."""
        request = decode_tag_values(path[0], self.arguments, self.api.tenant, self.api.now_ns(), self.api.limits)
        result = await self.ask(self.api.engine.tag_values(request))
        match self.shape:
            case "protobuf":
                await self.reply(PROTOBUF, partial(encode_tag_values_protobuf, result))
            case "llm":
                await self.reply(LLM, partial(encode_tag_values_llm, result))
            case _:
                await self.reply(JSON, partial(encode_tag_values_json, result))


# A name may hold slashes, as they are or encoded. `/querier` has the paths that look into one process of Tempo's.
_PATHS = (
    (r"/api/search/tags", TagsHandler),
    (r"/api/v2/search/tags", TagsV2Handler),
    (r"/api/search/tag/(.+)/values", TagValuesHandler),
    (r"/api/v2/search/tag/(.+)/values", TagValuesV2Handler),
)
routes = [(prefix + path, handler) for prefix in ("", "/querier") for path, handler in _PATHS]
