"""What is off unless configured: overrides that users set, and tools for language models; as recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from storage.objects import open_store
from tempo_dask.errors import NotFound, PreconditionFailed
from tempo_dask.user_overrides import UserOverrides, merge_patch
from tests.serving import ServerProcess

CONFIG = """
overrides: {user_configurable_overrides: {enabled: true}}
query_frontend: {mcp_server: {enabled: true}}
"""
#: What decoders say of broken JSON is their own affair; nothing else is.
DECODERS = ("found unknown field", "expect", "EOF", "unmarshalerDecoder")
BODY = b'{"metrics_generator": {"processors": ["span-metrics"]}}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("overrides")
    (folder / "tempo.yaml").write_text(CONFIG)
    with ServerProcess(folder / "data", "--config", str(folder / "tempo.yaml")) as running:
        yield running


def test_exchanges_are_answered_as_recorded(shared: Path, server: ServerProcess) -> None:
    lines = (shared / "conformance" / "http-exchanges.jsonl").read_text().splitlines()
    exchanges = [found for line in lines if (found := json.loads(line))["area"] == "overrides"]
    assert len(exchanges) > 80
    differing = [why for exchange in exchanges if (why := difference(server.url, exchange))]
    assert differing == []


def test_language_models_are_answered_as_recorded(shared: Path, server: ServerProcess) -> None:
    """Texts of documents and descriptions of tools are our own; an empty Tempo found nothing, and so do we."""
    lines = (shared / "conformance" / "http-exchanges.jsonl").read_text().splitlines()
    exchanges = [found for line in lines if (found := json.loads(line))["area"] == "mcp"]
    assert len(exchanges) > 30
    for exchange in exchanges:
        found = tool_answer(server.url, exchange)
        if exchange.get("response_cut"):  # too long to be kept whole
            assert (found[0], list(found[1])) == (200, ["jsonrpc", "id", "result"]), exchange["body"]
        else:
            assert found == shape(exchange["status"], exchange.get("response_body") or ""), exchange["body"]


def tool_answer(url: str, exchange: dict[str, Any]) -> Any:
    """Return what comes back for a recorded message."""
    body = None if exchange.get("body") is None else exchange["body"].encode()
    path = exchange["path"].removeprefix("/tempo")
    request = Request(url + path, body, exchange.get("headers") or {}, method=exchange["method"])
    try:
        with urlopen(request, timeout=300) as answer:
            return shape(answer.status, answer.read().decode())
    except HTTPError as error:
        return shape(error.code, error.read().decode())


def shape(status: int, text: str) -> Any:
    """Return what of an answer is neither prose nor a cost; metrics, which that Tempo could not answer, not at all."""
    if not text.startswith("{"):
        return status, text
    message = json.loads(text)
    result = message.get("result", {})
    if "empty ring" in text or "metrics-" in result.get("_meta", {}).get("type", ""):
        result.clear()
    elif "content" in result and not result.get("isError"):
        result["content"] = [part["type"] for part in result["content"]]
    for listed in (result.get("tools", []), result.get("resources", []), result.get("contents", [])):
        listed[:] = sorted(str(one.get("uri") or one.get("name")) for one in listed)
    return status, message


def difference(url: str, exchange: dict[str, Any]) -> str | None:
    """Return how an answer differs from the recorded one."""
    body = None if exchange.get("body") is None else exchange["body"].encode()
    request = Request(url + exchange["path"], body, exchange.get("headers") or {}, method=exchange["method"])
    try:
        with urlopen(request, timeout=300) as answer:
            status, text, etag = answer.status, answer.read().decode(), answer.headers.get("ETag")
    except HTTPError as error:
        status, text, etag = error.code, error.read().decode(), error.headers.get("ETag")
    told = f"{exchange['method']} {exchange['path']} {exchange.get('body')}: {status} {text!r}"
    if status != exchange["status"] or etag != (exchange.get("response_headers") or {}).get("etag"):
        return f"{told} {etag}, recorded {exchange['status']}"
    wanted = exchange.get("response_body") or ""
    if "scope=merged" in exchange["path"] or any(part in wanted for part in DECODERS):
        return None
    same = json.loads(text) == json.loads(wanted) if wanted.startswith("{") else text == wanted
    return None if same else f"{told}, recorded {wanted!r}"


@pytest.fixture
def overrides(tmp_path: Path) -> UserOverrides:
    return UserOverrides(open_store(str(tmp_path)), has_versions=True)


def test_a_change_must_know_what_it_changes(overrides: UserOverrides) -> None:
    first = overrides.put("a", BODY, "0")
    with pytest.raises(PreconditionFailed):
        overrides.put("a", b"{}", "0")
    assert overrides.get("a")[1] == first
    second = overrides.put("a", b"{}", first)
    with pytest.raises(PreconditionFailed):
        overrides.delete("a", first)
    overrides.delete("a", second)
    with pytest.raises(NotFound):
        overrides.get("a")


def test_tenants_are_apart(overrides: UserOverrides) -> None:
    overrides.put("a", BODY, "0")
    with pytest.raises(NotFound):
        overrides.get("b")


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [  # of RFC 7396
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_patches_merge(target: dict[str, Any], patch: dict[str, Any], merged: dict[str, Any]) -> None:
    assert merge_patch(target, patch) == merged
