"""How spans become the files of a block, and files a source again: what the block store needs to know of blocks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from storage.block.files import BlockFiles
from storage.block.listed import Listed, is_as_listed, read_description
from storage.block.meta import DESCRIPTION, BlockMeta
from storage.block.parts import write_parts
from storage.block.reader import Block
from storage.block.table_file import forget_decoded
from storage.block.writer import ROW_GROUP_SPANS, UNIT_SPANS, EncodedBlock, Origin, write_block
from storage.columns import TABLE_OF_SCOPE, ColumnMeta, ScanSource, SourceMeta, TableName, split_column_name
from storage.describe import join_columns
from storage.errors import DamagedBlock
from storage.merge_parts import TraceIds, choose_columns, merge_parts


class BlockFormat(Protocol):
    """A way to encode and open blocks. Both methods may be called from many threads."""

    def write(self, sources: Sequence[ScanSource], origin: Origin, *, without: TraceIds | None = None) -> EncodedBlock:
        """Encode the spans of all sources, each once, but for the traces `without`; some must be left.

        May raise what reading raises.
        """
        ...

    def open(self, files: BlockFiles, listed: Listed | None = None) -> ScanSource:
        """Open a block; what the commit log says of it, where it is known, may save reading.

        Must raise StorageError, ValueError or OSError where its files are damaged.
        """
        ...


class ParquetFormat:
    """Our own format, as `storage/FORMAT.md` has it."""

    def __init__(self, unit_spans: int = UNIT_SPANS) -> None:
        self._unit_spans = unit_spans
        self._part_spans = min(unit_spans, ROW_GROUP_SPANS)

    def write(self, sources: Sequence[ScanSource], origin: Origin, *, without: TraceIds | None = None) -> EncodedBlock:
        """Encode spans as Parquet files; what makes more than one row group is merged and written one by one."""
        metas = [source.meta for source in sources]
        parts = merge_parts(sources, self._part_spans, without)
        try:
            if sum(meta.span_count for meta in metas) <= self._part_spans:
                return write_block(next(parts), origin, unit_spans=self._unit_spans)
            known, may_have_rest = _columns_of(metas)
            return write_parts(parts, known, may_have_rest, origin, unit_spans=self._unit_spans)
        finally:
            forget_decoded()

    def open(self, files: BlockFiles, listed: Listed | None = None) -> ScanSource:
        """Open a block if all of it is there. One that is as listed has its description decoded when that is needed."""
        description = files.local_path(DESCRIPTION)
        if description is None:  # a store a network away: each question would be a round trip
            return Block.open(read_description(files, listed), files)
        if listed is not None and is_as_listed(description.parent, listed):
            return Block.listed(listed, files)
        meta = BlockMeta.decode(description.read_bytes())
        _check_sizes(meta, description.parent)
        return Block.open(meta, files)


def _columns_of(metas: Sequence[SourceMeta]) -> tuple[Mapping[str, ColumnMeta], frozenset[TableName]]:
    """Return the attribute columns that spans of all sources have together, and the tables with a `rest`."""
    chosen = set().union(*choose_columns(metas).values())
    known = join_columns(meta.columns for meta in metas)
    demoted = {TABLE_OF_SCOPE[split_column_name(name)[0]] for name in known.keys() - chosen}
    had_rest = {table for meta in metas for table in meta.rest_keys}
    return {name: column for name, column in known.items() if name in chosen}, frozenset(demoted | had_rest)


def _check_sizes(meta: BlockMeta, folder: Path) -> None:
    """Ask once for the sizes of all files: a start opens thousands of blocks. Raises DamagedBlock, OSError."""
    with os.scandir(folder) as entries:
        found = {entry.name: entry.stat().st_size for entry in entries if entry.name in meta.files}
    for name, file in meta.files.items():
        if name not in found:
            msg = f"{name} is missing"
            raise DamagedBlock(msg)
        if found[name] != file.size:
            msg = f"{name} has {found[name]} bytes, expected {file.size}"
            raise DamagedBlock(msg)
