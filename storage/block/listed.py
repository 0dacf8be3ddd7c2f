"""What the commit log knows of a block, so that thousands of blocks are there before any description is decoded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c

from storage.block.files import BlockFiles
from storage.block.meta import DESCRIPTION, BlockMeta
from storage.columns import ColumnMeta, SourceMeta, TableName, UnitMeta
from storage.remembered import Remembered

#: About what a decoded description takes in memory, and what of each column.
_DESCRIPTION_BYTES, _COLUMN_BYTES = 4_000, 600


@dataclass(frozen=True, slots=True)
class Listed:
    """A block as a tenant's commit log lists it."""

    tenant: str
    record: Mapping[str, Any]


def _cost(meta: BlockMeta) -> int:
    return _DESCRIPTION_BYTES + _COLUMN_BYTES * len(meta.source.columns)


#: Descriptions by tenant and block id.
_descriptions: Remembered[tuple[str, str], BlockMeta] = Remembered(256 << 20, _cost)


def described_by(meta: BlockMeta) -> dict[str, int]:
    """Return what the log keeps of a block's description, to know it again."""
    data = meta.encode()
    return {"description_bytes": len(data), "description_crc32c": google_crc32c.value(data)}


def is_as_listed(folder: Path, listed: Listed) -> bool:
    """Return whether a local block has the files that the log says, by their sizes and the description's sum.

    Says False too where an earlier version wrote the record. Raises OSError.
    """
    record = listed.record
    if "description_crc32c" not in record:
        return False
    with os.scandir(folder) as entries:
        size = sum(entry.stat().st_size for entry in entries if entry.name != DESCRIPTION)
    if size != record["size_bytes"]:
        return False
    data = (folder / DESCRIPTION).read_bytes()
    return bool((len(data), google_crc32c.value(data)) == (record["description_bytes"], record["description_crc32c"]))


def read_description(files: BlockFiles, listed: Listed | None = None) -> BlockMeta:
    """Return what a block's description says; in one request where the log knows how long it is.

    Raises DamagedBlock, and what the store raises.
    """
    known = listed.record.get("description_bytes") if listed is not None else None
    return BlockMeta.decode(files.read_range(DESCRIPTION, 0, known or files.size(DESCRIPTION)))


def described(tenant: str, block_id: str, files: BlockFiles) -> BlockMeta:
    """Return a block's description, read when it is not in memory."""
    return _descriptions.get_or_make((tenant, block_id), lambda: read_description(files))


class ListedMeta(SourceMeta):
    """What is known of a listed block. Units, columns and keys are in its description, read when they are asked for."""

    __slots__ = ("_describe",)
    _describe: Callable[[], BlockMeta]

    def __init__(self, listed: Listed, describe: Callable[[], BlockMeta]) -> None:
        known = {name: listed.record[name] for name in ("id", "span_count", "trace_count", "start_ns", "end_ns")}
        for name, value in {**known, "tenant": listed.tenant, "_describe": describe}.items():
            object.__setattr__(self, name, value)

    @property
    def units(self) -> tuple[UnitMeta, ...]:
        """The units."""
        return self._describe().source.units

    @property
    def columns(self) -> Mapping[str, ColumnMeta]:
        """What is known of each attribute column."""
        return self._describe().source.columns

    @property
    def rest_keys(self) -> Mapping[TableName, frozenset[str] | None]:
        """The tables with a `rest`, and the keys in it."""
        return self._describe().source.rest_keys
