"""Who may ask, and what: as the configuration says it."""

from __future__ import annotations

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc
import pytest

from tempo_dask.config.file import Config, parse
from tempo_dask.config.section import ConfigError
from tests.serving import ServerProcess

CONFIG = """
http_api_prefix: /tempo
stream_over_http_enabled: false
server: {authentication: {bearer_tokens: [token], basic_users: {grafana: secret}}}
"""
BEARER = ("authorization", "Bearer token")


def test_one_port_is_for_both_and_nobody_is_kept_out_unless_told() -> None:
    config = Config()
    assert config.stream_over_http_enabled
    assert config.query_frontend.multi_tenant_queries_enabled
    assert not config.server.authentication.bearer_tokens
    assert config.server.http_tls_config.cert_file is None


def test_secrets_are_not_shown() -> None:
    text = "server: {authentication: {bearer_tokens: [hush], basic_users: {grafana: hush}}}"
    authentication = parse(text).server.authentication
    assert [token.get_secret_value() for token in authentication.bearer_tokens] == ["hush"]
    assert authentication.basic_users["grafana"].get_secret_value() == "hush"
    assert "hush" not in repr(authentication)
    assert "hush" not in authentication.model_dump_json()


def test_a_pattern_that_is_none_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"query_frontend.url_deny_list.*no regular expression"):
        parse("query_frontend: {url_deny_list: ['(']}")
    assert parse("query_frontend: {url_deny_list: [a+]}").query_frontend.url_deny_list == ("a+",)


def test_grpc_takes_no_certificate_that_may_be_left_out() -> None:
    """Its library either demands them or does not look."""
    with pytest.raises(ConfigError, match="grpc_tls_config"):
        parse("server: {grpc_tls_config: {client_auth_type: VerifyClientCertIfGiven}}")


@pytest.mark.slow
def test_a_server_that_keeps_strangers_out(tmp_path: Path) -> None:
    (tmp_path / "tempo.yaml").write_text(CONFIG)
    with ServerProcess(tmp_path / "data", "--config", str(tmp_path / "tempo.yaml")) as server:
        assert server.ask("/ready").status == 200
        assert server.ask("/tempo/api/echo").status == 401
        for value in ("Bearer token", "Basic Z3JhZmFuYTpzZWNyZXQ="):
            with urlopen(Request(f"{server.url}/tempo/api/echo", headers={"Authorization": value})) as answer:
                assert answer.read() == b"echo\n"
        with pytest.raises(HTTPError, match="404") as raised:
            urlopen(Request(f"{server.url}/api/echo", headers={"Authorization": "Bearer token"}))
        raised.value.close()
        codes = [
            search_code(server.addresses[port], *headers) for port in ("grpc", "http") for headers in ((), (BEARER,))
        ]
    refused, found, unavailable = grpc.StatusCode.UNAUTHENTICATED, None, grpc.StatusCode.UNAVAILABLE
    assert codes == [refused, found, unavailable, unavailable]


def search_code(address: str, *metadata: tuple[str, str]) -> grpc.StatusCode | None:
    """Return how a search over gRPC fails, if it does."""
    with grpc.insecure_channel(address) as channel:
        try:
            list(channel.unary_stream("/tempopb.StreamingQuerier/Search")(b"", metadata=metadata, timeout=300))
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return None
