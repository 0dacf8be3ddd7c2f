"""What `block.json` says of a block: all that is known without opening another file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from storage.block.presence import STRIPE_ROWS
from storage.block.row_groups import join_row_groups
from storage.columns import ColumnMeta, SourceMeta, TableName, UnitMeta
from storage.errors import DamagedBlock
from storage.sealed_json import DamagedDocument, seal, unseal

#: The file that describes a block.
DESCRIPTION = "block.json"
#: Spans in a stripe where a description does not say.
_FIRST_STRIPE_ROWS = 128
#: Readers of a version read all blocks of the same number before the dot.
FORMAT_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class FileMeta:
    """A file's length in bytes and the CRC-32C of its content."""

    size: int
    crc32c: int


@dataclass(frozen=True, slots=True)
class BlockMeta:
    """A block: its source, the requests it came from, and its files.

    `arrived_ns` are the arrivals of the first and the last request in it. `node`, `first_seq` and `last_seq` say
    which range of whose write-ahead log was flushed into it (an empty node: none, as after a compaction). All columns
    have `page_rows` rows in a page; `stripe_rows` spans are a stripe of `span_columns.npy`. The source's units are runs
    of `row_groups` of at most `unit_spans` spans.
    """

    source: SourceMeta
    node: str
    first_seq: int
    last_seq: int
    arrived_ns: tuple[int, int]
    rows: Mapping[TableName, int]
    files: Mapping[str, FileMeta]
    page_rows: int
    stripe_rows: int = STRIPE_ROWS
    row_groups: tuple[UnitMeta, ...] = ()
    unit_spans: int = 0
    format_version: str = FORMAT_VERSION

    @property
    def id(self) -> str:
        """The block's id."""
        return self.source.id

    @property
    def tenant(self) -> str:
        """Whose spans these are."""
        return self.source.tenant

    @property
    def size_bytes(self) -> int:
        """Bytes of all files but `block.json`."""
        return sum(file.size for file in self.files.values())

    def encode(self) -> bytes:
        """Return the content of `block.json`."""
        source = self.source
        return seal(
            {
                "format": self.format_version,
                "id": source.id,
                "tenant": source.tenant,
                "start_ns": source.start_ns,
                "end_ns": source.end_ns,
                "arrived_ns": self.arrived_ns,
                "wal": {"node": self.node, "first": self.first_seq, "last": self.last_seq},
                "rows": dict(self.rows),
                "page_rows": self.page_rows,
                "stripe_rows": self.stripe_rows,
                "unit_spans": self.unit_spans,
                "units": [_fields(row_group) for row_group in self.row_groups],
                "rest": {
                    table: None if keys is None else sorted(keys) for table, keys in sorted(source.rest_keys.items())
                },
                "columns": {name: _fields(column) for name, column in source.columns.items()},
                "files": {name: _fields(file) for name, file in self.files.items()},
            }
        )

    @classmethod
    def decode(cls, data: bytes, what: str = DESCRIPTION) -> BlockMeta:
        """Undo `encode`. Raises DamagedBlock, and UnknownVersion for what a later software wrote."""
        try:
            return _meta(unseal(what, data))
        except (DamagedDocument, KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{what} does not describe a block: {error}"
            raise DamagedBlock(msg) from error


def _meta(document: Mapping[str, Any]) -> BlockMeta:
    version = document["format"]
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        msg = f"its format is {version}, this software reads {FORMAT_VERSION}"
        raise ValueError(msg)
    rows = document["rows"]
    row_groups = tuple(UnitMeta(**row_group) for row_group in document["units"])
    unit_spans = document.get("unit_spans", 0)
    source = SourceMeta(
        id=document["id"],
        tenant=document["tenant"],
        span_count=rows["spans"],
        trace_count=rows["traces"],
        start_ns=document["start_ns"],
        end_ns=document["end_ns"],
        units=join_row_groups(row_groups, unit_spans),
        columns=_Columns(document["columns"]),
        rest_keys={table: None if keys is None else frozenset(keys) for table, keys in document["rest"].items()},
    )
    first_ns, last_ns = document["arrived_ns"]
    return BlockMeta(
        source=source,
        node=document["wal"]["node"],
        first_seq=document["wal"]["first"],
        last_seq=document["wal"]["last"],
        arrived_ns=(first_ns, last_ns),
        rows=rows,
        files={name: FileMeta(**file) for name, file in document["files"].items()},
        page_rows=document["page_rows"],
        stripe_rows=document.get("stripe_rows", _FIRST_STRIPE_ROWS),
        row_groups=row_groups,
        unit_spans=unit_spans,
        format_version=version,
    )


def _fields(value: UnitMeta | FileMeta | ColumnMeta) -> dict[str, Any]:
    """Return what is known, by name (`asdict` would copy every value)."""
    found = ((field.name, getattr(value, field.name)) for field in fields(value))
    return {name: known for name, known in found if known is not None}


class _Columns(Mapping[str, ColumnMeta]):
    """Columns by name, made of their documents when asked for: of thousands of blocks few are looked at closely."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._documents = dict(documents)
        self._made: dict[str, ColumnMeta] = {}

    def __getitem__(self, name: str) -> ColumnMeta:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = _column(self._documents[name])
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._documents

    def __iter__(self) -> Iterator[str]:
        return iter(self._documents)

    def __len__(self) -> int:
        return len(self._documents)


def _column(document: Mapping[str, Any]) -> ColumnMeta:
    distinct = document.get("distinct")
    return ColumnMeta(
        count=document["count"],
        distinct=None if distinct is None else tuple(distinct),
        minimum=document.get("minimum"),
        maximum=document.get("maximum"),
    )
