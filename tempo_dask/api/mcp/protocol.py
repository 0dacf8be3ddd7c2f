"""JSON-RPC 2.0: one message in, one answer out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from tempo_dask.api.contracts import Api
from tempo_dask.api.mcp.documents import RESOURCES, URI, document
from tempo_dask.api.mcp.tools import TOOLS, ToolFailed
from tempo_dask.errors import TempoDaskError

Message: TypeAlias = dict[str, Any]

BAD_JSON: Message = {
    "jsonrpc": "2.0",
    "id": None,
    "error": {"code": -32700, "message": "request body is not valid json"},
}
VERSION = "2025-03-26"
_NO_METHOD, _BAD_PARAMETERS, _NO_RESOURCE = -32601, -32602, -32002


class RpcError(TempoDaskError):
    """A request that the protocol refuses."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


async def answer(api: Api, message: Message) -> Message:
    """Return the answer to a request."""
    found: Message = {"jsonrpc": "2.0", "id": message.get("id")}
    try:
        return {**found, "result": await _result(api, str(message.get("method")), message.get("params") or {})}
    except RpcError as error:
        return {**found, "error": {"code": error.code, "message": str(error)}}


async def _result(api: Api, method: str, params: Any) -> Message:
    if method.startswith("prompts/"):
        msg = "prompts not supported"
        raise RpcError(_NO_METHOD, msg)
    verb = _METHODS.get(method)
    if verb is None:
        raise RpcError(_NO_METHOD, f"Method {method} not found")
    return await verb(api, params if isinstance(params, dict) else {})


async def _initialize(_api: Api, _params: Message) -> Message:
    info = {"name": "tempo", "version": "0.1.0"}
    return {"protocolVersion": VERSION, "capabilities": {"resources": {}, "tools": {}}, "serverInfo": info}


async def _ping(_api: Api, _params: Message) -> Message:
    return {}


async def _list_tools(_api: Api, _params: Message) -> Message:
    return {"tools": [tool.listing(name) for name, tool in TOOLS.items()]}


async def _list_resources(_api: Api, _params: Message) -> Message:
    return {
        "resources": [
            {"uri": URI + name, "name": found.title, "description": found.description, "mimeType": "text/markdown"}
            for name, found in RESOURCES.items()
        ]
    }


async def _list_templates(_api: Api, _params: Message) -> Message:
    return {"resourceTemplates": []}


async def _read(_api: Api, params: Message) -> Message:
    uri = str(params.get("uri"))
    name = uri.removeprefix(URI)
    if not uri.startswith(URI) or name not in RESOURCES:
        raise RpcError(_NO_RESOURCE, f"handler not found for resource URI '{uri}': resource not found")
    return {"contents": [{"uri": uri, "mimeType": "text/markdown", "text": document(name)}]}


async def _call(api: Api, params: Message) -> Message:
    """Call a tool; what goes wrong in it is an answer that the model reads."""
    name = str(params.get("name"))
    tool = TOOLS.get(name)
    if tool is None:
        raise RpcError(_BAD_PARAMETERS, f"tool '{name}' not found: tool not found")
    api.observer.called(name)
    values = params.get("arguments") or {}
    try:
        for argument in tool.required:
            _require(values, argument)
        text = await tool.call(api, values)
    except ToolFailed as error:
        return {"content": [_text(str(error))], "isError": True}
    except TempoDaskError as error:
        end = "\n" if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
        reason = f"tool failed with http status code {error.status} and reason {error}{end}"
        return {"content": [_text(reason)], "isError": True}
    encoding = "markdown" if tool.answers == "documentation" else "json"
    return {
        "_meta": {"encoding": encoding, "type": tool.answers, "version": tool.version},
        "content": [_text(text)],
    }


def _require(values: Any, argument: str) -> None:
    if not isinstance(values, dict) or argument not in values:
        msg = f'required argument "{argument}" not found'
        raise ToolFailed(msg)


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


_METHODS: Mapping[str, Callable[[Api, Message], Awaitable[Message]]] = {
    "initialize": _initialize,
    "ping": _ping,
    "tools/list": _list_tools,
    "tools/call": _call,
    "resources/list": _list_resources,
    "resources/templates/list": _list_templates,
    "resources/read": _read,
}
