"""How this process keeps memory that it will need again at once.

A scan takes and frees arrays of megabytes many times a second. Given back to the kernel and asked for again, each page
of them costs a fault, and threads wait for each other at that.
"""

from __future__ import annotations

import ctypes
import platform

import pyarrow as pa

#: Parameters of glibc's mallopt, as malloc.h numbers them.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
#: Blocks up to this size come from the heap, not from the kernel one by one; glibc's heaps of threads hold 64 MiB.
_FROM_HEAP_BYTES = 32 << 20
#: Free memory at the end of a heap beyond this goes back to the kernel.
_KEPT_FREE_BYTES = 256 << 20
#: A thread's heap that is empty stays unless so much is free in the one before it: as large as a heap, it stays.
_HEAP_BYTES = 64 << 20


def keep_freed_memory() -> None:
    """Let Arrow take memory where NumPy does, and let the C library keep some of what is freed."""
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own gives memory back too soon
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _FROM_HEAP_BYTES)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT_FREE_BYTES)
        libc.mallopt(_TOP_PAD, _HEAP_BYTES)


def give_back_freed_memory() -> None:
    """Give the kernel all that is free now, also between what is in use; for when much was freed at once."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
