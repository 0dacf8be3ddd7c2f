"""`server` and `query_frontend` of the configuration, as far as they say who may ask, how, and how long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, SecretStr, model_validator

from tempo_dask.config_section import Duration, Section


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


class QueryFrontend(Section):
    """`query_frontend`: what may be asked."""

    multi_tenant_queries_enabled: bool = True
    api_timeout: Duration = timedelta()
    url_deny_list: tuple[Annotated[str, AfterValidator(_require_regex)], ...] = ()
