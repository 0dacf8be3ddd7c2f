"""Array types that kernels name in their signatures.

Inputs are read-only, since Arrow buffers and memory maps are; Numba passes writable arrays to them too.
"""

from __future__ import annotations

from numba import types

U8 = types.Array(types.uint8, 1, "C", readonly=True)
U32 = types.Array(types.uint32, 1, "C", readonly=True)
I32 = types.Array(types.int32, 1, "C", readonly=True)
I64 = types.Array(types.int64, 1, "C", readonly=True)
U64 = types.Array(types.uint64, 1, "C", readonly=True)
F64 = types.Array(types.float64, 1, "C", readonly=True)

OUT_U8 = types.Array(types.uint8, 1, "C")
OUT_I32 = types.Array(types.int32, 1, "C")
OUT_I64 = types.Array(types.int64, 1, "C")
OUT_I64_2D = types.Array(types.int64, 2, "C")
OUT_F64 = types.Array(types.float64, 1, "C")
