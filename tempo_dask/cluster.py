"""Where queries run: `local`, or the Dask cluster behind a scheduler's address."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from tempo_dask.engine.cluster import ClusterExecutor
from tempo_dask.engine.executors import Executor
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.errors import BadRequest

LOCAL = "local"
SCHEMES = ("tcp", "tls")


def open_executor(scheduler: str) -> Executor:
    """Return the executor for `local` or `tcp://HOST:PORT`. Raises BadRequest, Unavailable."""
    if scheduler == LOCAL:
        return LocalExecutor(len(os.sched_getaffinity(0)))
    if urlsplit(scheduler).scheme in SCHEMES:
        return ClusterExecutor(scheduler)
    msg = f"expected a scheduler of local or tcp://HOST:PORT, found {scheduler!r}"
    raise BadRequest(msg)
