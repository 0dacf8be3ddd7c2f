"""Small JSON documents with a format version and a checksum of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import google_crc32c
import orjson

from storage.errors import StorageError

VERSION = 1
_CHECKSUM = "crc32c"


class DamagedDocument(StorageError):
    """A document is not what was written."""


class UnknownVersion(StorageError):
    """A newer version of this software wrote a document."""


def seal(fields: Mapping[str, Any]) -> bytes:
    """Return fields as a document: JSON with `version` and `crc32c`, the latter of all others with sorted keys."""
    document = {**fields, "version": VERSION}
    return orjson.dumps({_CHECKSUM: _checksum(document), **document}) + b"\n"


def unseal(what: str, data: bytes) -> dict[str, Any]:
    """Return the fields of a document; `what` names it in errors. Raises DamagedDocument, UnknownVersion."""
    try:
        document = orjson.loads(data)
        sound = document.pop(_CHECKSUM) == _checksum(document)
        version = document.pop("version")
    except (ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
        msg = f"{what} is damaged: {error}"
        raise DamagedDocument(msg) from error
    if not sound:
        msg = f"{what} is damaged: its checksum is wrong"
        raise DamagedDocument(msg)
    if version != VERSION:
        msg = f"{what} has version {version}, but this software knows up to {VERSION} only"
        raise UnknownVersion(msg)
    fields: dict[str, Any] = document
    return fields


def _checksum(document: Mapping[str, Any]) -> int:
    checksum: int = google_crc32c.value(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))
    return checksum
