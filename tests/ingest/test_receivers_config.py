"""`distributor.receivers` says which receivers run, and where."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from tempo_dask.config.file import Config, parse, with_addresses
from tempo_dask.config.section import ConfigError
from tempo_dask.ingest import receiving
from tempo_dask.ingest.receiving import receivers_of


async def push(_org_ids: Sequence[str], _body: bytes) -> int:
    return 0


def placed(config: Config) -> dict[str, str]:
    return {each.name: each.endpoint for each in receivers_of(config.distributor.receivers, push)}


async def test_without_receivers_these_run() -> None:
    assert placed(Config()) == {
        "otlp_http": "localhost:4318",
        "otlp_grpc": "localhost:4317",
        "jaeger_grpc": "localhost:14250",
        "jaeger_thrift_http": "localhost:14268",
    }


EVERY_ONE = """
distributor:
  receivers:
    otlp:
      protocols:
        grpc: {endpoint: "0.0.0.0:1"}
        http:
    jaeger:
      protocols:
        grpc:
        thrift_http:
        thrift_compact: {queue_size: 5}
        thrift_binary:
    zipkin:
"""


async def test_every_receiver() -> None:
    assert placed(parse(EVERY_ONE)) == {
        "otlp_grpc": "0.0.0.0:1",
        "otlp_http": "localhost:4318",
        "jaeger_grpc": "localhost:14250",
        "jaeger_thrift_http": "localhost:14268",
        "jaeger_thrift_compact": "localhost:6831",
        "jaeger_thrift_binary": "localhost:6832",
        "zipkin": "localhost:9411",
    }


@pytest.mark.parametrize(
    ("receivers", "names"),
    [
        ("{}", []),
        ("{otlp: }", []),
        ("{otlp: {protocols: {grpc: }}}", ["otlp_grpc"]),
        ("{jaeger: {protocols: {thrift_compact: }}}", ["jaeger_thrift_compact"]),
        ("{zipkin: {endpoint: 'localhost:1'}}", ["zipkin"]),
    ],
)
async def test_only_those_named_run(receivers: str, names: list[str]) -> None:
    assert list(placed(parse(f"distributor: {{receivers: {receivers}}}"))) == names


@pytest.mark.parametrize("receivers", ["{opencensus: }", "{otlp: {protocols: {tcp: }}}", "{zipkin: {port: 1}}"])
def test_unknown_keys_stop_the_start(receivers: str) -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        parse(f"distributor: {{receivers: {receivers}}}")


async def test_addresses_of_the_command_line_win() -> None:
    config = with_addresses(parse("distributor: {receivers: {zipkin: }}"), otlp_grpc="h:1")
    assert placed(config) == {"otlp_grpc": "h:1", "zipkin": "localhost:9411"}


async def test_a_courtesy_gives_way_to_who_holds_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        text = f"distributor: {{receivers: {{jaeger: {{protocols: {{thrift_http: {{endpoint: '{taken}'}}}}}}}}}}"
        [asked_for] = receivers_of(parse(text).distributor.receivers, push)
        with pytest.raises(OSError, match=f"cannot listen on {taken}"):
            await receiving.start(asked_for)
        courtesy = receiving.Placed(asked_for.name, asked_for.endpoint, asked_for.receiver, gives_way=True)
        assert await receiving.start(courtesy) is None
    assert [each.gives_way for each in receivers_of(Config().distributor.receivers, push)] == [False, False, True, True]
