"""Who may ask, and what: as the configuration says it."""

from __future__ import annotations

import pytest

from tempo_dask.config import Config, parse
from tempo_dask.config_section import ConfigError


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
