"""`server` and `query_frontend` of the configuration, as far as they say who may ask, how, and how long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, NonNegativeFloat, NonNegativeInt, PositiveInt, SecretStr, model_validator

from tempo_dask.config.section import Duration, Section


class Tls(Section):
    """`http_tls_config`, `grpc_tls_config`: without a certificate there is no TLS."""

    cert_file: Path | None = None
    key_file: Path | None = None
    client_auth_type: Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] = "NoClientCert"
    client_ca_file: Path | None = None

    @model_validator(mode="after")
    def _require_files(self) -> Tls:
        if (self.cert_file is None) != (self.key_file is None):
            msg = "cert_file and key_file go together"
            raise ValueError(msg)
        if self.client_auth_type != "NoClientCert" and (self.client_ca_file is None or self.cert_file is None):
            msg = f"client_auth_type {self.client_auth_type} needs client_ca_file, cert_file and key_file"
            raise ValueError(msg)
        return self


class GrpcTls(Tls):
    """`grpc_tls_config`: clients' certificates are required or not looked at."""

    client_auth_type: Literal["NoClientCert", "RequireAndVerifyClientCert"] = "NoClientCert"


class Authentication(Section):
    """`server.authentication`, ours: who may ask, over HTTP and gRPC; everybody where nobody is named."""

    bearer_tokens: tuple[SecretStr, ...] = ()
    basic_users: Mapping[str, SecretStr] = {}


def _require_regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        msg = f"{text!r} is no regular expression: {error}"
        raise ValueError(msg) from error
    return text


class Slo(Section):
    """How fast queries should be, told by metrics alone; 0 is no aim."""

    duration_slo: Duration = timedelta()
    throughput_bytes_slo: NonNegativeFloat = 0.0


class SearchQueries(Slo):
    """`query_frontend.search`."""

    default_result_limit: PositiveInt = 20
    max_result_limit: NonNegativeInt = 262_144
    max_duration: Duration = timedelta(hours=168)
    default_spans_per_span_set: PositiveInt = 3
    max_spans_per_span_set: NonNegativeInt = 100


class MetricsQueries(Slo):
    """`query_frontend.metrics`."""

    max_duration: Duration = timedelta()  # of a range; 0 is no bound
    max_exemplars: NonNegativeInt = 100
    max_response_series: NonNegativeInt = 0
    max_intervals: NonNegativeInt = 10_000


class McpServer(Section):
    """`query_frontend.mcp_server`."""

    enabled: bool = False


class QueryFrontend(Section):
    """`query_frontend`: what may be asked."""

    search: SearchQueries = SearchQueries()
    metrics: MetricsQueries = MetricsQueries()
    trace_by_id: Slo = Slo()
    metadata: Slo = Slo()
    mcp_server: McpServer = McpServer()
    max_outstanding_per_tenant: PositiveInt = 2000
    max_query_expression_size_bytes: PositiveInt = 131_072
    query_end_cutoff: Duration = timedelta()
    multi_tenant_queries_enabled: bool = True
    api_timeout: Duration = timedelta()
    url_deny_list: tuple[Annotated[str, AfterValidator(_require_regex)], ...] = ()
