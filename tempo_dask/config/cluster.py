"""The section `cluster` of the configuration, ours: where queries run beside this process."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import NonNegativeInt, PositiveInt, model_validator

from tempo_dask.config.section import Duration, Section


class ClusterTls(Section):
    """`cluster.tls`: certificates for all connections between Dask's processes, checked on both sides."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def is_on(self) -> bool:
        """Whether there are certificates."""
        return self.ca_file is not None

    @model_validator(mode="after")
    def _require_all(self) -> ClusterTls:
        if len({path is None for path in (self.ca_file, self.cert_file, self.key_file)}) > 1:
            msg = "ca_file, cert_file and key_file go together"
            raise ValueError(msg)
        return self


class Adaptive(Section):
    """`cluster.adaptive`: workers on this machine that come and go with the load, where no scheduler is given."""

    minimum: NonNegativeInt = 0
    maximum: NonNegativeInt = 0  # 0: none are started
    threads_per_worker: PositiveInt = 1

    @model_validator(mode="after")
    def _require_order(self) -> Adaptive:
        if self.minimum > self.maximum:
            msg = f"minimum {self.minimum} is more than maximum {self.maximum}"
            raise ValueError(msg)
        return self


class ClusterSection(Section):
    """`cluster`: the Dask scheduler whose workers scan, and how this node joins it."""

    address: str = ""  # tcp://HOST:PORT or tls://HOST:PORT; empty: queries run in this process
    tls: ClusterTls = ClusterTls()
    adaptive: Adaptive = Adaptive()
    node_address: str = ""  # on which other nodes reach this one's live spans; empty: chosen by what TLS allows
    forget_lost_nodes_after: Duration = timedelta(hours=1)

    @model_validator(mode="after")
    def _require_tls(self) -> ClusterSection:
        if self.address.startswith("tls://") and not self.tls.is_on:
            msg = "an address of tls:// needs cluster.tls"
            raise ValueError(msg)
        if self.address and self.adaptive.maximum:
            msg = "adaptive starts workers of its own, so it goes without an address"
            raise ValueError(msg)
        return self
