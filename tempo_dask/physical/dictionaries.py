"""Predicates on text run on the distinct values of a dictionary; rows then look their code up.

Lookup tables are kept, since the same dashboards ask the same questions: a regex over urls costs more than all else.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tempo_dask.kernels.predicates import Mask
from traceql.operators import BinaryOperator

Key = tuple[tuple[int, ...], int, int, BinaryOperator, str]

_COMPARE: Mapping[BinaryOperator, Callable[[Any, Any], Any]] = {
    BinaryOperator.EQUAL: pc.equal,
    BinaryOperator.NOT_EQUAL: pc.not_equal,
    BinaryOperator.LESS: pc.less,
    BinaryOperator.LESS_EQUAL: pc.less_equal,
    BinaryOperator.GREATER: pc.greater,
    BinaryOperator.GREATER_EQUAL: pc.greater_equal,
}


def matching_texts(op: BinaryOperator, texts: pa.StringArray, value: str) -> Mask:
    """Return for each text whether `text op value` holds; a regex matches the whole text, its dot line ends too."""
    if op.is_regex:
        found = pc.match_substring_regex(texts, pattern=rf"(?s)\A(?:{value})\z")
        mask: Mask = found.to_numpy(zero_copy_only=False).astype(np.uint8)
        return mask if op is BinaryOperator.REGEX else mask ^ np.uint8(1)
    held: Mask = _COMPARE[op](texts, pa.scalar(value, pa.string())).to_numpy(zero_copy_only=False).astype(np.uint8)
    return held


@dataclass(slots=True)
class LookupTables:
    """The latest lookup tables, by dictionary (where it lies in memory) and predicate; for many threads at once."""

    budget_bytes: int
    _tables: OrderedDict[Key, tuple[pa.StringArray, Mask]] = field(default_factory=OrderedDict)
    _size_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def table(self, op: BinaryOperator, dictionary: pa.StringArray, value: str) -> Mask:
        """Return `matching_texts`, kept for the next time."""
        places = tuple(0 if buffer is None else buffer.address for buffer in dictionary.buffers())
        key = (places, dictionary.offset, len(dictionary), op, value)
        with self._lock:
            known = self._tables.get(key)
            if known is not None:
                self._tables.move_to_end(key)
                return known[1]
        table = matching_texts(op, dictionary, value)
        with self._lock:
            self._add(key, dictionary, table)
        return table

    def _add(self, key: Key, dictionary: pa.StringArray, table: Mask) -> None:
        # The dictionary stands in the entry, so no other one comes to lie in its place meanwhile.
        if key in self._tables:
            return
        self._tables[key] = (dictionary, table)
        self._size_bytes += dictionary.nbytes + table.nbytes
        while self._size_bytes > self.budget_bytes:
            _, (old, old_table) = self._tables.popitem(last=False)
            self._size_bytes -= old.nbytes + old_table.nbytes


LOOKUP_TABLES = LookupTables(64 << 20)
