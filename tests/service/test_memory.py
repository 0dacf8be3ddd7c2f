"""Memory that was freed goes back to the kernel where it is much, also between what is in use."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

#: Prints what the process has of the kernel, in MiB, before and after, and whether anything was given back.
HOLES = """
import numpy as np
from tempo_dask.memory import _resident_bytes, give_back_much_free_memory, keep_freed_memory
keep_freed_memory()
arrays = [np.ones(100_000, np.uint8) for _ in range(3_000)]
del arrays[::2]
arrays = arrays[::20]
before = _resident_bytes() >> 20
few, much = give_back_much_free_memory(1 << 40), give_back_much_free_memory(100 << 20)
print(before, _resident_bytes() >> 20, few, much)
"""


def test_holes_are_given_back_where_they_are_much() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, check=True, text=True)
    before, after, few, much = done.stdout.split()
    assert (few, much) == ("False", "True")
    assert int(before) - int(after) > 200
