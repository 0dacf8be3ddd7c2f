"""The configuration file: Tempo's keys, Tempo's defaults, and errors that name the key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tempo_dask.config.file import Config, load, parse, with_addresses
from tempo_dask.config.section import ConfigError, parse_duration, split_address


def test_defaults_are_tempos() -> None:
    config = parse("")
    assert config == Config()
    assert (config.server.http_listen_port, config.server.grpc_listen_port) == (3200, 9095)
    protocols = config.distributor.receivers.otlp.protocols
    assert protocols.grpc is not None
    assert protocols.http is not None
    assert (protocols.grpc.endpoint, protocols.http.endpoint) == ("localhost:4317", "localhost:4318")
    assert config.ingester.max_block_duration == timedelta(minutes=30)
    assert config.ingester.max_block_bytes == 524_288_000


def test_a_receiver_is_on_where_its_key_stands() -> None:
    protocols = parse("distributor: {receivers: {otlp: {protocols: {grpc:}}}}").distributor.receivers.otlp.protocols
    assert protocols.grpc is not None
    assert protocols.http is None


def test_keys_without_a_value_are_no_keys() -> None:
    assert parse("server:\nstorage:\n  trace:\n    local:\n") == Config()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("bogus: 1", "line 1: unknown key bogus"),
        ("server:\n  http_listen_port: 1\n  bogus:", "line 3: unknown key server.bogus"),
        ("server:\n\n  http_listen_port: x", "line 3: server.http_listen_port: Input should be a valid integer"),
        ("server: {http_listen_port: 65536}", "server.http_listen_port: Input should be less than or equal to 65535"),
        ("ingester: {max_block_duration: 5q}", "expected a duration such as 30s or 1h30m, found '5q'"),
        ("storage: {trace: {backend: tape}}", "storage.trace.backend: Input should be 'local'"),
        ("a: [", "yaml: while parsing"),
        ("- 1", "valid dictionary"),
        ("server: 7", "line 1: server: Input should be a valid dictionary"),
    ],
)
def test_what_is_wrong_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert complaint in str(error.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse("bogus: 1\nserver: {other: 2}")
    assert str(error.value).splitlines() == ["line 2: unknown key server.other", "line 1: unknown key bogus"]


def test_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"failed to read configFile .*missing: No such file"):
        load(tmp_path / "missing")
    (tmp_path / "bad").write_text("bogus: 1")
    with pytest.raises(ConfigError, match=r"failed to parse configFile .*bad: line 1: unknown key bogus"):
        load(tmp_path / "bad")
    (tmp_path / "no text").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"failed to read configFile .*no text: 'utf-8' codec"):
        load(tmp_path / "no text")
    (tmp_path / "good").write_text("http_api_prefix: /tempo")
    assert load(tmp_path / "good").http_api_prefix == "/tempo"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1h30m", 5400), ("500ms", 0.5), ("1.5m", 90), ("0", 0), (0, 0), ("2us", 2e-6), ("1h0m1s", 3601)],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "s", "5", "5 s", "-5s", "1h 30m", "5s1", "1d", "9999999h"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        (":80", ("", 80)),
        ("[::1]:80", ("::1", 80)),
        ("h.example:1", ("h.example", 1)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize("text", ["", "80", "h:", "h:x", "h:65536", "h:-1"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        split_address(text)


def test_addresses_of_the_command_line_win() -> None:
    config = parse("server: {http_listen_port: 1}\ndistributor: {receivers: {otlp: {protocols: {grpc:}}}}")
    changed = with_addresses(config, http="h:2", otlp_grpc="g:3")
    assert (changed.server.http_listen_address, changed.server.http_listen_port) == ("h", 2)
    protocols = changed.distributor.receivers.otlp.protocols
    assert protocols.grpc is not None
    assert protocols.grpc.endpoint == "g:3"
    assert protocols.http is None
    assert with_addresses(config) == config
    assert with_addresses(config, otlp_http="h:4").distributor.receivers.otlp.protocols.http is not None
