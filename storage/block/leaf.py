"""The values of one Parquet column in a few rows, decoded from the pages that hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import NO_BITS, from_values
from storage.block.footer import Kind, Leaf
from storage.block.page import DELTA, DICTIONARY, PLAIN, SPLIT, Page
from storage.kernels.levels import find_entries, pick_levels, pick_numbers, pick_page
from storage.kernels.plain import pick_bits, pick_coded, pick_differences, pick_plain, pick_split, pick_strings
from storage.pick import runs

Numbers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


class UnknownEncodingError(Exception):
    """A page is encoded in a way that only Arrow reads."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Where the entries of a list column's rows begin in a page, how many they are, and where their levels end."""

    firsts: Numbers
    counts: Numbers
    stop: int


@dataclass(frozen=True, slots=True)
class Picked:
    """Entries of a page: which of its values each is, or its code; -1 for none, `found` of them are not.

    The page's values begin at `start`; `levels` are the definition levels of a list column's entries.
    """

    page: Page
    start: int
    places: Numbers
    found: int
    levels: Bytes | None = None


def _refuse() -> None:
    msg = "a page does not hold the values that it should"
    raise ValueError(msg)


def pick_rows(page: Page, leaf: Leaf, rows: Numbers) -> Picked:
    """Find the given rows (ascending) in a page of a flat column. Raises ValueError where it is damaged."""
    places = np.empty(len(rows), np.int64)
    start, found = pick_page(page.data, page.values, leaf.levels[-1] > 0, page.encoding in DICTIONARY, rows, places)
    if start < 0:
        _refuse()
    return Picked(page, start, places, found)


def find_lists(page: Page, rows: Numbers) -> Entries:
    """Find the entries of the given rows (ascending) in a page of a list column. Raises ValueError."""
    firsts, counts = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    stop = find_entries(page.data, page.values, rows, firsts, counts)
    if stop < 0:
        _refuse()
    return Entries(firsts, counts, stop)


def pick_entries(page: Page, leaf: Leaf, entries: Entries) -> Picked:
    """Find entries in a page of a list column. Raises ValueError where it is damaged."""
    wanted = runs(entries.firsts, entries.counts)
    levels, places = np.empty(len(wanted), np.uint8), np.empty(len(wanted), np.int64)
    top = leaf.levels[-1]
    start = pick_levels(page.data, entries.stop, top.bit_length(), top, wanted, levels, places)
    if start < 0:
        _refuse()
    found = int(np.count_nonzero(places >= 0))
    if found and page.encoding in DICTIONARY:
        width = int(page.data[start]) if start < len(page.data) else -1
        if not pick_numbers(page.data, start + 1, len(page.data), width, places, places):
            _refuse()
    return Picked(page, start, places, found, levels)


def decode(picked: Sequence[Picked], leaf: Leaf, read_dictionary: Callable[[], Page]) -> pa.Array:
    """Return the entries of pages one after another, null where there is no value.

    Raises ValueError where a page is damaged, UnknownEncodingError.
    """
    places = picked[0].places if len(picked) == 1 else np.concatenate([each.places for each in picked])
    found = sum(each.found for each in picked)
    if not found:
        return pa.nulls(len(places), leaf.type)
    nulls = len(places) - found
    bitmap = np.packbits(places >= 0, bitorder="little") if nulls else NO_BITS
    coded = [each.page.encoding in DICTIONARY for each in picked if each.found]
    if all(coded):
        return _coded(read_dictionary(), places, leaf, bitmap, nulls)
    if any(coded):
        raise UnknownEncodingError
    if leaf.kind in {Kind.CODED, Kind.TEXT}:
        return _plain_text(picked, leaf)
    return _plain_numbers(picked, leaf, bitmap, nulls)


def _coded(dictionary: Page, codes: Numbers, leaf: Leaf, bitmap: Bytes, nulls: int) -> pa.Array:
    if leaf.kind is Kind.CODED:
        numbers = np.empty(len(codes), np.int32)
        strings = _strings(*pick_coded(dictionary.data, dictionary.values, codes, numbers), pa.string())
        indices = from_values(len(codes), numbers, pa.int32(), bitmap, nulls)
        return pa.DictionaryArray.from_arrays(indices, strings, safe=False)
    if leaf.kind is Kind.TEXT:
        return _strings(*pick_strings(dictionary.data, 0, codes), leaf.type, bitmap, nulls)
    if leaf.kind is Kind.BOOLEAN:
        raise UnknownEncodingError
    out = np.empty(len(codes) * leaf.width, np.uint8)
    if not pick_plain(dictionary.data, 0, leaf.width, codes, out):
        _refuse()
    return from_values(len(codes), out, leaf.type, bitmap, nulls)


def _strings(
    starts: npt.NDArray[np.int32], text: Bytes, type_: pa.DataType, bitmap: Bytes = NO_BITS, nulls: int = 0
) -> pa.Array:
    if not len(starts):
        _refuse()
    buffers = [pa.py_buffer(bitmap) if nulls else None, pa.py_buffer(starts), pa.py_buffer(text)]
    return pa.Array.from_buffers(type_, len(starts) - 1, buffers, nulls)


def _plain_text(picked: Sequence[Picked], leaf: Leaf) -> pa.Array:
    stored = leaf.type if leaf.kind is Kind.TEXT else pa.string()
    parts = [_plain_text_of(each, stored) for each in picked]
    array = parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
    return array if leaf.kind is Kind.TEXT else array.dictionary_encode()


def _plain_text_of(each: Picked, type_: pa.DataType) -> pa.Array:
    nulls = len(each.places) - each.found
    if not each.found:
        return pa.nulls(nulls, type_)
    if each.page.encoding != PLAIN:
        raise UnknownEncodingError
    bitmap = np.packbits(each.places >= 0, bitorder="little")
    return _strings(*pick_strings(each.page.data, each.start, each.places), type_, bitmap, nulls)


def _plain_numbers(picked: Sequence[Picked], leaf: Leaf, bitmap: Bytes, nulls: int) -> pa.Array:
    parts = [_booleans(each) if leaf.kind is Kind.BOOLEAN else _numbers(each, leaf.width) for each in picked]
    data = parts[0] if len(parts) == 1 else np.concatenate(parts)
    count = sum(len(each.places) for each in picked)
    if leaf.kind is Kind.BOOLEAN:
        data = np.packbits(data, bitorder="little")
    return from_values(count, data, leaf.type, bitmap, nulls)


def _booleans(each: Picked) -> Bytes:
    """Return a byte for each boolean."""
    out = np.zeros(len(each.places), np.uint8)
    if not each.found:
        return out
    if each.page.encoding != PLAIN:
        raise UnknownEncodingError
    if not pick_bits(each.page.data, each.start, each.places, out):
        _refuse()
    return out


def _numbers(each: Picked, width: int) -> Bytes:
    """Return the bytes of values of a fixed width."""
    data, start, places, encoding = each.page.data, each.start, each.places, each.page.encoding
    out = np.zeros(len(places) * width, np.uint8)
    if not each.found:
        return out
    if encoding == PLAIN:
        known = pick_plain(data, start, width, places, out)
    elif encoding == SPLIT:
        known = pick_split(data, start, width, places, out)
    elif encoding == DELTA:
        numbers = np.empty(len(places), np.int64)
        known = pick_differences(data, start, places, numbers)
        out = numbers.astype(f"i{width}").view(np.uint8)
    else:
        raise UnknownEncodingError
    if not known:
        _refuse()
    return out
