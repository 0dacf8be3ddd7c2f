"""How spans become the files of a block, and files a source again: what the block store needs to know of blocks."""

from __future__ import annotations

from typing import Protocol

from storage.block.files import BlockFiles
from storage.block.meta import DESCRIPTION, BlockMeta
from storage.block.reader import Block
from storage.block.writer import EncodedBlock, write_block
from storage.columns import ScanSource, SpanTables
from storage.errors import DamagedBlock


class BlockFormat(Protocol):
    """A way to encode and open blocks. Both methods may be called from many threads."""

    def write(
        self,
        tables: SpanTables,
        *,
        block_id: str,
        tenant: str,
        node: str,
        first_seq: int,
        last_seq: int,
        arrived_ns: int,
    ) -> EncodedBlock:
        """Encode sorted spans, the records `first_seq` to `last_seq` of a node; `arrived_ns` is the newest arrival."""
        ...

    def open(self, files: BlockFiles) -> ScanSource:
        """Open a block. Must raise StorageError, ValueError or OSError where its files are damaged."""
        ...


class ParquetFormat:
    """Our own format, as `storage/FORMAT.md` has it."""

    def write(
        self,
        tables: SpanTables,
        *,
        block_id: str,
        tenant: str,
        node: str,
        first_seq: int,
        last_seq: int,
        arrived_ns: int,
    ) -> EncodedBlock:
        """Encode sorted spans as Parquet files."""
        return write_block(
            tables,
            id=block_id,
            tenant=tenant,
            node=node,
            first_seq=first_seq,
            last_seq=last_seq,
            arrived_ns=(arrived_ns, arrived_ns),
        )

    def open(self, files: BlockFiles) -> ScanSource:
        """Read the description and open what it describes, if all of it is there."""
        meta = BlockMeta.decode(files.read_range(DESCRIPTION, 0, files.size(DESCRIPTION)))
        if files.local_path(DESCRIPTION) is not None:  # elsewhere each question would be a round trip
            _check_sizes(meta, files)
        return Block.open(meta, files)


def _check_sizes(meta: BlockMeta, files: BlockFiles) -> None:
    for name, file in meta.files.items():
        if (size := files.size(name)) != file.size:
            msg = f"{name} has {size} bytes, expected {file.size}"
            raise DamagedBlock(msg)
