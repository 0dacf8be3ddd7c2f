"""The configuration of `storage`: Tempo's keys, and a few of ours."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from tempo_dask.config.section import Duration, Section


class LocalBackend(Section):
    """`storage.trace.local`."""

    path: Path | None = None


class Wal(Section):
    """`storage.trace.wal`."""

    path: Path | None = None


class S3Backend(Section):
    """`storage.trace.s3`; keys that are not here come from the usual environment (`AWS_ACCESS_KEY_ID`, ...)."""

    bucket: str = ""
    endpoint: str = ""  # HOST[:PORT]; empty: Amazon's, of that region
    region: str = ""
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    insecure: bool = False
    forcepathstyle: bool = False
    prefix: str = ""


class GcsBackend(Section):
    """`storage.trace.gcs`; credentials come from the usual environment (`GOOGLE_APPLICATION_CREDENTIALS`, ...)."""

    bucket_name: str = ""
    prefix: str = ""
    endpoint: str = ""
    insecure: bool = False


class AzureBackend(Section):
    """`storage.trace.azure`; keys that are not here come from the usual environment."""

    storage_account_name: str = ""
    storage_account_key: str = ""
    container_name: str = ""
    prefix: str = ""
    endpoint_suffix: str = "blob.core.windows.net"


class TraceStorage(Section):
    """`storage.trace`: where blocks and the log lie; both are below the data folder unless a path is given."""

    backend: Literal["local", "s3", "gcs", "azure"] = "local"
    local: LocalBackend = LocalBackend()
    s3: S3Backend = S3Backend()
    gcs: GcsBackend = GcsBackend()
    azure: AzureBackend = AzureBackend()
    wal: Wal = Wal()
    blocklist_poll: Duration = timedelta(minutes=5)  # how often blocks that Tempo writes are looked for
    adopt_tempo_blocks: bool = False  # ours: whether what was converted may be marked as compacted
    single_writer: bool = False  # ours: for stores that cannot refuse a second create


class Storage(Section):
    """`storage`."""

    trace: TraceStorage = TraceStorage()
