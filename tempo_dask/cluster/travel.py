"""How work travels: blocks as where they lie, live spans of a node as what it calls them, all else as it is."""

from __future__ import annotations

import copyreg
import io
import pickle
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from storage.block.files import BlockFiles, StoredFiles
from storage.block.reader import Block
from storage.block_format import ParquetFormat
from storage.columns import ScanSource
from storage.object_store import ObjectStore
from storage.remembered import Remembered
from tempo_dask.physical.units import ScanUnit

#: What makes a value again, and of what.
_Remade: TypeAlias = tuple[Callable[..., object], tuple[object, ...]]


def _packed_block(block: Block) -> _Remade:
    """Leave out the description, which may be large: whoever opens a block reads its own."""
    meta, files = block.__reduce__()[1]
    return opened, (meta.source.tenant, meta.source.id, files)


def _packed_unit(unit: ScanUnit) -> _Remade:
    """Leave out what most units do not have: there are many of them in a share."""
    rows = unit.excluded if len(unit.excluded) else None
    return _unit, (unit.source, unit.unit, rows, unit.newest_start_ns)


def _packed_lock(_lock: object) -> _Remade:
    """Make a new one: a lock guards its own process."""
    return threading.Lock, ()


def _unit(source: ScanSource, unit: int, rows: npt.NDArray[np.int64] | None, newest_start_ns: int) -> ScanUnit:
    return ScanUnit(source, unit, _NO_ROWS if rows is None else rows, newest_start_ns)


_NO_ROWS = np.zeros(0, np.int64)


class _Packer(pickle.Pickler):
    """Knows a shorter way for what every share holds."""

    dispatch_table: Mapping[type, Callable[[Any], Any]] = {
        **copyreg.dispatch_table,
        Block: _packed_block,
        ScanUnit: _packed_unit,
        type(threading.Lock()): _packed_lock,
    }


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
