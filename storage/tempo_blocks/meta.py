"""What `meta.json` says of a block that Tempo wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from storage.errors import DamagedBlock

#: The file that makes a folder a block of Tempo's, what it is called once the block was compacted or has expired,
#: and the file that holds the traces.
META = "meta.json"
COMPACTED_META = "meta.compacted.json"
DATA = "data.parquet"

FORMATS = ("vParquet3", "vParquet4", "vParquet5")

DedicatedScope = Literal["span", "resource", "event"]


@dataclass(frozen=True, slots=True)
class DedicatedColumn:
    """An attribute that has a column of its own: `column` of the group `DedicatedAttributes` of its scope."""

    scope: DedicatedScope
    key: str
    column: str  # String01, Int01, ...
    holds_arrays: bool


@dataclass(frozen=True, slots=True)
class TempoMeta:
    """A block of Tempo's, as far as it takes to read it. Its times are not here: they may be wrong (backfill)."""

    id: str
    tenant: str
    format: str
    trace_count: int
    size_bytes: int
    compaction_level: int
    dedicated: tuple[DedicatedColumn, ...]

    @classmethod
    def decode(cls, data: bytes) -> TempoMeta:
        """Read `meta.json`. Raises DamagedBlock."""
        try:
            return _meta(orjson.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{META} does not describe a block: {error}"
            raise DamagedBlock(msg) from error


def _meta(document: Mapping[str, Any]) -> TempoMeta:
    format_name = document["format"]
    if format_name not in FORMATS:
        msg = f"its format is {format_name}, this software reads {', '.join(FORMATS)}"
        raise ValueError(msg)
    return TempoMeta(
        id=document["blockID"],
        tenant=document["tenantID"],
        format=format_name,
        trace_count=int(document.get("totalObjects", 0)),
        size_bytes=int(document.get("size", 0)),
        compaction_level=int(document.get("compactionLevel", 0)),
        dedicated=_dedicated(document.get("dedicatedColumns") or (), format_name),
    )


def _dedicated(listed: Any, format_name: str) -> tuple[DedicatedColumn, ...]:
    """Number the columns as Tempo does: per scope and type, in the order of the list."""
    counts: dict[tuple[str, str], int] = {}
    found = []
    for entry in listed:
        scope, type_name, options = entry.get("s", "span"), entry.get("t", "string"), entry.get("o") or ()
        if format_name != "vParquet5" and (type_name != "string" or scope == "event" or options):
            continue  # these came with vParquet5; before, Tempo passes over them
        number = counts[scope, type_name] = counts.get((scope, type_name), 0) + 1
        found.append(DedicatedColumn(scope, entry["n"], f"{type_name.capitalize()}{number:02}", "array" in options))
    return tuple(found)
