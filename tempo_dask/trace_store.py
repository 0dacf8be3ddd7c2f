"""The object store that a configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from storage.object_store import ObjectStore
from storage.objects import open_store, require_exclusive_create
from tempo_dask.config.section import ConfigError
from tempo_dask.config.storage import AzureBackend, GcsBackend, S3Backend, TraceStorage
from tempo_dask.observability.store import MeasuredStore

_AMAZON = "amazonaws.com"


def open_trace_store(settings: TraceStorage, local_path: Path) -> ObjectStore:
    """Open the store of `storage.trace`; `local_path` is for a local one without a path of its own.

    Raises ConfigError where a name is missing, StoreUnavailable, and CreateNotExclusive where several writers could
    not share the store though `single_writer` is not set.
    """
    if settings.backend == "local":
        return open_store(str(settings.local.path or local_path))
    url, options, allow_http = remote_location(settings)
    store = open_store(url, options=options, allow_http=allow_http, single_writer=settings.single_writer)
    if not settings.single_writer:
        require_exclusive_create(store)
    return MeasuredStore(store)


#: A URL, options in obstore's terms, and whether to talk without encryption.
Location: TypeAlias = tuple[str, dict[str, str], bool]


def remote_location(settings: TraceStorage) -> Location:
    """Return where a remote store is. Raises ConfigError."""
    match settings.backend:
        case "s3":
            return _s3(settings.s3)
        case "gcs":
            return _gcs(settings.gcs)
    return _azure(settings.azure)


def _s3(settings: S3Backend) -> Location:
    """Endpoints that are not Amazon's are asked by path, as nearly all of them want it."""
    is_amazon = not settings.endpoint or settings.endpoint.endswith(_AMAZON)
    options = {
        "aws_region": settings.region or _amazon_region(settings.endpoint) or "us-east-1",
        "aws_virtual_hosted_style_request": str(is_amazon and not settings.forcepathstyle).lower(),
        "aws_access_key_id": settings.access_key,
        "aws_secret_access_key": settings.secret_key,
        "aws_session_token": settings.session_token,
        "aws_endpoint": "" if is_amazon else _with_scheme(settings.endpoint, settings.insecure),
    }
    return _url("s3", "storage.trace.s3.bucket", settings.bucket, settings.prefix), _given(options), settings.insecure


def _amazon_region(endpoint: str) -> str:
    """Return the region in `s3.<region>.amazonaws.com` or `s3.dualstack.<region>.amazonaws.com`."""
    labels = endpoint.removesuffix(f".{_AMAZON}").split(".")
    return labels[-1] if endpoint.endswith(_AMAZON) and len(labels) > 1 else ""


def _gcs(settings: GcsBackend) -> Location:
    endpoint = _with_scheme(settings.endpoint, settings.insecure) if settings.endpoint else ""
    url = _url("gs", "storage.trace.gcs.bucket_name", settings.bucket_name, settings.prefix)
    return url, _given({"google_base_url": endpoint}), settings.insecure


def _azure(settings: AzureBackend) -> Location:
    """A suffix with a port is a whole host, as of an emulator: the account is the first segment of its paths."""
    account, suffix = settings.storage_account_name, settings.endpoint_suffix
    if not account:
        msg = "storage.trace.azure.storage_account_name is missing"
        raise ConfigError(msg)
    is_host = ":" in suffix
    options = {
        "azure_storage_account_name": account,
        "azure_storage_account_key": settings.storage_account_key,
        "azure_endpoint": f"http://{suffix}/{account}" if is_host else f"https://{account}.{suffix}",
    }
    url = _url("az", "storage.trace.azure.container_name", settings.container_name, settings.prefix)
    return url, _given(options), is_host


def _url(scheme: str, key: str, bucket: str, prefix: str) -> str:
    if not bucket:
        msg = f"{key} is missing"
        raise ConfigError(msg)
    return f"{scheme}://{bucket}/{prefix.strip('/')}".rstrip("/")


def _with_scheme(endpoint: str, insecure: bool) -> str:
    if "://" in endpoint:
        return endpoint
    return f"{'http' if insecure else 'https'}://{endpoint}"


def _given(options: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in options.items() if value}
