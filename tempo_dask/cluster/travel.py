"""How work travels: blocks as where they lie, live spans of a node as what it calls them, all else as it is."""

from __future__ import annotations

import io
import pickle
import threading
from dataclasses import dataclass
from typing import Any

from storage.block.files import BlockFiles, StoredFiles
from storage.block.reader import Block
from storage.block_format import ParquetFormat
from storage.columns import ScanSource
from storage.object_store import ObjectStore
from storage.remembered import Remembered

_LOCK = type(threading.Lock())


class _Packer(pickle.Pickler):
    """Leaves out the descriptions of blocks, which may be large: whoever opens a block reads its own."""

    def reducer_override(self, value: Any) -> Any:
        """Return how a block is made again, and a lock: it guards its own process."""
        if isinstance(value, _LOCK):
            return threading.Lock, ()
        if not isinstance(value, Block):
            return NotImplemented
        meta, files = value.__reduce__()[1]
        return opened, (meta.source.tenant, meta.source.id, files)


def pack(value: object) -> bytes:
    """Return work as bytes. Raises pickle.PicklingError, TypeError or AttributeError where it cannot travel."""
    packed = io.BytesIO()
    _Packer(packed, pickle.HIGHEST_PROTOCOL).dump(value)
    return packed.getvalue()


@dataclass(slots=True)
class OwnStore:
    """The store that this process reads blocks from whatever the way they came; None: the one they came with."""

    objects: ObjectStore | None = None


OWN_STORE = OwnStore()

#: Blocks that came from other processes, by tenant and id, so that their descriptions and footers are read once.
_OPENED: Remembered[tuple[str, str], ScanSource] = Remembered(4_000)


def opened(tenant: str, block_id: str, files: BlockFiles) -> ScanSource:
    """Return a block that came from another process. Raises what opening it raises."""
    own = OWN_STORE.objects
    lies = files if own is None else StoredFiles(own, f"{tenant}/{block_id}")
    return _OPENED.get_or_make((tenant, block_id), lambda: ParquetFormat().open(lies))
