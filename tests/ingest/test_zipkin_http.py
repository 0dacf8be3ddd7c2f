"""Zipkin over HTTP answers as recorded; texts of Go's JSON decoder are its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tempo_dask.errors import TooManyRequests
from tempo_dask.ingest.receivers.zipkin_http import zipkin_http
from tests.ingest.conftest import Taken
from tests.ingest.exchanges import answered_body, exchanges_of, sent_body
from tests.ingest.http_client import ask_async

JSON = {"Content-Type": "application/json"}
SPAN = {"traceId": "1", "id": "2", "name": "x"}
#: Texts that begin like this are those of Go's JSON decoder.
GO_TEXTS = ("invalid character", "zipkinv1: invalid character", "json: cannot unmarshal number into")


@pytest_asyncio.fixture
async def url(taken: Taken) -> AsyncIterator[str]:
    receiver = zipkin_http(taken.push)
    port = await receiver.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await receiver.stop_receiving()
    await receiver.stop()


async def test_recorded_exchanges(shared: Path, url: str) -> None:
    exchanges = exchanges_of(shared, "ingest-zipkin")
    assert len(exchanges) > 70
    for exchange in exchanges:
        answer = await ask_async(url + exchange["path"], exchange["method"], sent_body(exchange), exchange["headers"])
        expected = (exchange["status"], exchange["response_headers"].get("content-type"))
        assert (answer.status, answer.headers["Content-Type"]) == expected, exchange
        if not answered_body(exchange).decode().startswith(GO_TEXTS):
            assert answer.body == answered_body(exchange), exchange


@pytest.mark.parametrize(
    "wrong",
    [
        5,
        None,
        SPAN | {"name": 5},
        SPAN | {"kind": []},
        SPAN | {"localEndpoint": "x"},
        SPAN | {"localEndpoint": {"ipv4": 1}},
        SPAN | {"localEndpoint": {"port": 65536}},
        SPAN | {"annotations": {}},
        SPAN | {"annotations": [1]},
        SPAN | {"tags": {"a": 1}},
        SPAN | {"shared": "yes"},
        SPAN | {"timestamp": True},
        SPAN | {"timestamp": 1 << 64},
        SPAN | {"parentId": "g"},
        SPAN | {"tags": {"otlp.link.0": f"{'x' * 32}|{'0' * 16}||{{}}|0"}},
        SPAN | {"annotations": [{"value": "a|[]|0"}]},
        SPAN | {"annotations": [{"value": "a|{}|4294967296"}]},
    ],
)
async def test_wrong_spans_are_bad_requests(url: str, taken: Taken, wrong: Any) -> None:
    answer = await ask_async(f"{url}/api/v2/spans", "POST", json.dumps([wrong]), JSON)
    assert (answer.status, taken.bodies) == (400, [])


async def test_null_is_nothing(url: str, taken: Taken) -> None:
    nulls = dict.fromkeys(("parentId", "kind", "timestamp", "localEndpoint", "annotations", "tags", "shared"))
    answer = await ask_async(f"{url}/api/v2/spans", "POST", orjson.dumps([SPAN | nulls]), JSON)
    assert (answer.status, len(taken.bodies)) == (202, 1)
    assert (await ask_async(f"{url}/api/v2/spans", "POST", b"null", JSON)).status == 202


async def test_errors_of_the_write_path_are_the_servers(url: str, taken: Taken) -> None:
    taken.error = TooManyRequests("slow down")
    answer = await ask_async(f"{url}/api/v2/spans", "POST", orjson.dumps([SPAN]), JSON)
    assert (answer.status, answer.text) == (500, '"Internal Server Error"')


async def test_tags_get_types_if_told_so(taken: Taken) -> None:
    receiver = zipkin_http(taken.push, parse_string_tags=True)
    port = await receiver.start("127.0.0.1", 0)
    tags = {"i": "-5", "f": "1.5", "b": "true", "s": "5 apples", "nan": "nan"}
    await ask_async(f"http://127.0.0.1:{port}", "POST", orjson.dumps([SPAN | {"tags": tags}]), JSON)
    await receiver.stop_receiving()
    await receiver.stop()
    span = TracesData.FromString(taken.bodies[0]).resource_spans[0].scope_spans[0].spans[0]
    typed = {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in span.attributes}
    del typed["otel.zipkin.absentField.startTime"]
    assert typed == {"i": -5, "f": 1.5, "b": True, "s": "5 apples", "nan": "nan"}
