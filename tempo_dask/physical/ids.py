"""Trace and span ids: bytes in columns, hex text in the language."""

from __future__ import annotations

import binascii
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import Column
from tempo_dask.kernels.predicates import Mask


def parse_id(text: str, size: int, *, padded: bool) -> bytes | None:
    """Return the bytes of a hex id, None where no id is spelled so; `padded` ids may lack leading zeros."""
    digits = text.zfill(2 * size) if padded and text else text
    if len(digits) != 2 * size or digits != digits.lower():
        return None
    try:
        return binascii.unhexlify(digits)
    except ValueError:
        return None


def equal_to(column: Column, wanted: bytes | None) -> Mask:
    """Return where an id column (rows, size) holds `wanted`; null rows hold zeros."""
    data = filled(column)
    if wanted is None or len(wanted) != data.shape[1]:
        return np.zeros(len(data), np.uint8)
    words = np.ascontiguousarray(data).view(np.uint64)
    equal: Mask = (words == np.frombuffer(wanted, np.uint64)).all(axis=1).view(np.uint8)
    return equal


def hex_column(column: Column, *, stripped: bool) -> Column:
    """Return ids as text in a dictionary column; `stripped` ones without leading zeros."""
    data = np.ascontiguousarray(filled(column))
    names: npt.NDArray[Any] = data.view(f"V{data.shape[1]}").ravel()
    distinct, codes = np.unique(names, return_inverse=True)
    texts = [name.tobytes().hex() for name in distinct]
    dictionary = pa.array([text.lstrip("0") for text in texts] if stripped else texts, pa.string())
    return Column(codes.astype(np.int32), None, dictionary)


def filled(column: Column) -> npt.NDArray[np.uint8]:
    """Return the ids with zeros where there is none."""
    data: npt.NDArray[np.uint8] = column.data.view(np.uint8)
    return data if column.valid is None else data * column.valid[:, np.newaxis]
