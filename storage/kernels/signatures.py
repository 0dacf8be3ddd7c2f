"""Array types that kernels of storage name in their signatures.

Inputs are read-only, since Arrow buffers and memory maps are; Numba passes writable arrays to them too.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from numba import types

#: An array as mypy sees it in a kernel; the kernel's signature says of what.
Array = npt.NDArray[Any]

U8 = types.Array(types.uint8, 1, "C", readonly=True)
U32 = types.Array(types.uint32, 1, "C", readonly=True)
U64 = types.Array(types.uint64, 1, "C", readonly=True)
I32 = types.Array(types.int32, 1, "C", readonly=True)
I64 = types.Array(types.int64, 1, "C", readonly=True)
BOOL = types.Array(types.boolean, 1, "C", readonly=True)
TABLE = types.Array(types.int64, 2, "C", readonly=True)

OUT_U8 = types.Array(types.uint8, 1, "C")
OUT_U32 = types.Array(types.uint32, 1, "C")
OUT_I32 = types.Array(types.int32, 1, "C")
OUT_I64 = types.Array(types.int64, 1, "C")
OUT_BOOL = types.Array(types.boolean, 1, "C")
OUT_TABLE = types.Array(types.int64, 2, "C")


def returns(*parts: types.Type) -> types.Type:
    """Return the type of several results."""
    return types.Tuple(parts)
