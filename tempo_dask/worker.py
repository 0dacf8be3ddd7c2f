"""What makes a plain Dask worker one of ours: `dask worker tcp://scheduler:8786 --preload tempo_dask.worker`.

Behind it may stand `--config FILE`, a configuration whose `storage.trace` says where blocks are and with which
credentials, and `--cache-bytes N`, how much of decoded columns is kept. Without a store of its own a worker opens
blocks as they come from the coordinator.
"""

from __future__ import annotations

import logging
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from storage.objects import open_store
from tempo_dask.cluster.travel import OWN_STORE
from tempo_dask.config.file import load
from tempo_dask.config.storage import TraceStorage
from tempo_dask.errors import TempoDaskError
from tempo_dask.kernels.__main__ import load_kernels
from tempo_dask.memory import keep_freed_memory
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE
from tempo_dask.physical.cube_cache import PROCESS_CUBES
from tempo_dask.trace_store import remote_location

log = logging.getLogger(__name__)


class UnsafeAddress(TempoDaskError):
    """Whoever reaches a worker can run code on it, and this one would listen for everybody without TLS."""


def _leave_out_calls(record: logging.LogRecord) -> bool:
    """Return False for what a worker logs of every call: there are many of them in a query."""
    return not str(record.msg).startswith("Run out-of-band function")


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), envvar="TEMPO_DASK_CONFIG", default=None)
@click.option("--cache-bytes", type=click.IntRange(min=0), envvar="TEMPO_DASK_CACHE_BYTES", default=DEFAULT_BYTES)
@click.option("--insecure", is_flag=True, envvar="TEMPO_DASK_INSECURE", help="Listen for others without TLS.")
def dask_setup(worker: Any, config_file: Path | None, cache_bytes: int, insecure: bool) -> None:
    """Prepare a worker before it takes work: Dask calls this. Raises UnsafeAddress and ConfigError."""
    if not insecure:
        require_safe(str(worker.address))
    keep_freed_memory()
    prepare(cache_bytes, None if config_file is None else load(config_file).storage.trace)


def prepare(cache_bytes: int, store: TraceStorage | None) -> None:
    """Compile or load all kernels, bound the caches, open the store where one is given."""
    logging.getLogger("distributed.worker").addFilter(_leave_out_calls)
    count = load_kernels()
    PROCESS_CACHE.resize(cache_bytes)
    PROCESS_CUBES.keep()
    if store is not None and store.backend != "local":
        url, options, allow_http = remote_location(store)
        OWN_STORE.objects = open_store(url, options=options, allow_http=allow_http)
    elif store is not None and store.local.path is not None:
        OWN_STORE.objects = open_store(str(store.local.path))
    log.info("%d kernels ready, %d bytes of columns are kept", count, cache_bytes)


def require_safe(address: str) -> None:
    """Return where an address is of this machine alone, or of TLS. Raises UnsafeAddress."""
    parts = urlsplit(address)
    if parts.scheme in ("tls", "inproc") or is_loopback(parts.hostname or ""):
        return
    msg = f"{address} is open to others without TLS; give Dask certificates, or --host 127.0.0.1, or say --insecure"
    raise UnsafeAddress(msg)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host of that name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
