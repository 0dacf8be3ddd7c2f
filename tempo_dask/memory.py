"""How this process keeps memory that it will need again at once.

A scan takes and frees arrays of megabytes many times a second. Given back to the kernel and asked for again, each page
of them costs a fault, and threads wait for each other at that.
"""

from __future__ import annotations

import ctypes
import platform
import resource
from pathlib import Path

import pyarrow as pa

#: Parameters of glibc's mallopt, as malloc.h numbers them.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
#: Blocks up to this size come from the heap, not from the kernel one by one; glibc's heaps of threads hold 64 MiB.
_FROM_HEAP_BYTES = 32 << 20
#: Free memory at the end of a heap beyond this goes back to the kernel.
_KEPT_FREE_BYTES = 256 << 20
#: A thread's heap that is empty stays unless so much is free in the one before it: as large as a heap, it stays.
_HEAP_BYTES = 64 << 20
#: Threads share so many heaps: each keeps free memory of its own, and Python lets few threads allocate at once.
_ARENAS = 4
#: Free memory beyond this goes back to the kernel from time to time, wherever it lies.
_MOST_FREE_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Let Arrow take memory where NumPy does, and let the C library keep some of what is freed."""
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own gives memory back too soon
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _FROM_HEAP_BYTES)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT_FREE_BYTES)
        libc.mallopt(_TOP_PAD, _HEAP_BYTES)
        libc.mallopt(_ARENA_MAX, _ARENAS)


def give_back_freed_memory() -> None:
    """Give the kernel all that is free now, also between what is in use; for when much was freed at once."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def give_back_much_free_memory(most_free_bytes: int = _MOST_FREE_BYTES) -> bool:
    """Give back what is free where it is more than that, as after queries over much; return whether it was."""
    used_bytes = _allocated_bytes()
    if used_bytes is None or _resident_bytes() - used_bytes <= most_free_bytes:
        return False
    give_back_freed_memory()
    return True


class _Counted(ctypes.Structure):
    """What mallinfo2 returns, as malloc.h has it."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )


def _allocated_bytes() -> int | None:
    """Return what the C library has given out, None where it cannot tell (before glibc 2.33)."""
    if platform.libc_ver()[0] != "glibc" or not hasattr(libc := ctypes.CDLL(None), "mallinfo2"):
        return None
    libc.mallinfo2.restype = _Counted
    found = libc.mallinfo2()
    return int(found.uordblks + found.hblkhd)


def _resident_bytes() -> int:
    """Return the memory that this process has of the kernel; mapped files do not count, they go by themselves."""
    _, resident, shared = map(int, Path("/proc/self/statm").read_text().split()[:3])
    return (resident - shared) * resource.getpagesize()
