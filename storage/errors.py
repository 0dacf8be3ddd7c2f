"""Errors of storage."""

from __future__ import annotations


class StorageError(Exception):
    """Something stored, or to be stored, is not as it must be."""


class DamagedBlock(StorageError):
    """A file of a block is missing, cut short, or holds something else than its description says."""


class BadColumns(StorageError):
    """Tables of spans do not hold together: a number points outside its table, or a column has a wrong type."""
