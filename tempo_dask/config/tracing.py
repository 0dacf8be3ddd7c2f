"""The section `tracing` of the configuration, ours: spans of what this service does itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from tempo_dask.config.section import Section


def _require_url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        msg = f"expected a URL such as http://collector:4318, found {text!r}"
        raise ValueError(msg)
    return text


class Tracing(Section):
    """`tracing`: where spans of queries and of what is taken in are sent by OTLP over HTTP; nowhere by default."""

    otlp_endpoint: Annotated[str, AfterValidator(_require_url)] = ""
    service_name: str = "tempo-dask"
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0  # of what no caller has decided about
