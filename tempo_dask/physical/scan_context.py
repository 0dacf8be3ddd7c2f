"""What a thread knows of the query it scans for: whether to go on, and what it has read so far.

Readers look here at each column, so a query that nobody waits for ends between two columns. Threads without a query
(a notebook's, a test's) read unhindered and uncounted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from storage.columns import TableName
from tempo_dask.errors import QueryFailed

#: Bytes looked at, by table and column.
BytesRead: TypeAlias = dict[tuple[TableName, str], int]

_is_cancelled: ContextVar[Callable[[], bool] | None] = ContextVar("is_cancelled", default=None)
_bytes_read: ContextVar[BytesRead | None] = ContextVar("bytes_read", default=None)


class QueryCancelled(QueryFailed):
    """Nobody waits for the query any more."""


@contextmanager
def cancelled_by(is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """Let what is read within end once this says so."""
    token = _is_cancelled.set(is_cancelled)
    try:
        yield
    finally:
        _is_cancelled.reset(token)


@contextmanager
def counting_reads() -> Iterator[BytesRead]:
    """Count what is read within."""
    found: BytesRead = {}
    token = _bytes_read.set(found)
    try:
        yield found
    finally:
        _bytes_read.reset(token)


def check_cancelled() -> None:
    """Raise QueryCancelled where nobody waits for this thread's query any more."""
    is_cancelled = _is_cancelled.get()
    if is_cancelled is not None and is_cancelled():
        msg = "the query was cancelled"
        raise QueryCancelled(msg)


def count_read(table: TableName, name: str, size_bytes: int) -> None:
    """Add what was read to this thread's count."""
    found = _bytes_read.get()
    if found is not None:
        found[table, name] = found.get((table, name), 0) + size_bytes
