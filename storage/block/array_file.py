"""A `.npy` file of a block, mapped into memory where it is local."""

from __future__ import annotations

import io
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from storage.arrays import frozen
from storage.block.files import BlockFiles
from storage.block.meta import FileMeta
from storage.errors import DamagedBlock


def read_array(files: BlockFiles, name: str, expected: FileMeta) -> npt.NDArray[Any]:
    """Return the array that a file holds, read-only. Raises DamagedBlock; what is not mapped is checked wholly."""
    found = files.size(name)
    if found != expected.size:
        msg = f"{name} has {found} bytes, expected {expected.size}"
        raise DamagedBlock(msg)
    path = files.local_path(name)
    try:
        if path is not None:
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        data = files.read_range(name, 0, expected.size)
        if google_crc32c.value(data) != expected.crc32c:
            msg = "its checksum is wrong"
            raise ValueError(msg)
        return frozen(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, EOFError) as error:
        msg = f"{name} is damaged: {error}"
        raise DamagedBlock(msg) from error
