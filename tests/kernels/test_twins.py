"""Kernels give what NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.twins import TWINS, Twin


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_kernel_agrees_with_numpy(twin: Twin, rows: int) -> None:
    arguments = twin.arguments(np.random.default_rng(rows), rows)
    for found, wanted in zip(_all(twin.kernel(*arguments)), _all(twin.numpy(*arguments)), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_kernel_takes_read_only_arrays(twin: Twin) -> None:
    arguments = twin.arguments(np.random.default_rng(1), 50)
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            argument.flags.writeable = False
    twin.kernel(*arguments)


def _all(result: object) -> tuple[object, ...]:
    return result if isinstance(result, tuple) else (result,)
