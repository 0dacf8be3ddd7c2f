"""Object stores by URL, and whether several writers may share one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import MemoryStore, from_url

from storage.local_objects import LocalStore
from storage.object_store import CreateNotExclusive, ObjectStore, StoreUnavailable
from storage.remote_objects import RemoteStore

#: Enough for a hiccup. A store that is gone must be told soon: those who wait try again themselves.
_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}


def open_store(
    url: str, *, options: Mapping[str, str] | None = None, allow_http: bool = False, single_writer: bool = False
) -> ObjectStore:
    """Open `memory://`, `file:///path`, a plain path, or what obstore knows (`s3://bucket/prefix`, `gs://`, `az://`).

    `options` are obstore's configuration keys for such a store; credentials also come from the usual environment.
    Only with `allow_http` is a store talked to without encryption.
    Raises StoreUnavailable where there is no such store.
    """
    parts = urlsplit(url)
    if "://" not in url:
        return LocalStore(Path(url))
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme == "memory":
        return RemoteStore(MemoryStore())
    config: Any = dict(options or {})
    try:
        return RemoteStore(
            from_url(url, config=config, client_options={"allow_http": allow_http}), single_writer=single_writer
        )
    except (BaseError, ValueError) as error:
        msg = f"cannot open an object store at {url}: {error}"
        raise StoreUnavailable(msg) from error


def require_exclusive_create(store: ObjectStore) -> None:
    """Try whether a second create is refused. Raises CreateNotExclusive, or what the store raises."""
    key = f"~probe/{uuid.uuid4()}"
    try:
        if not store.put_if_absent(key, b"first") or store.put_if_absent(key, b"second") or store.get(key) != b"first":
            msg = f"{store} creates an object that exists already; only a single writer may use it"
            raise CreateNotExclusive(msg)
    finally:
        store.delete(key)
