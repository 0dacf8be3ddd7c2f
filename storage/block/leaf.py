"""The values of one Parquet column in a few rows, decoded from the pages that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import NO_BITS, from_values
from storage.block.footer import Leaf
from storage.block.page import DELTA, DICTIONARY, PLAIN, SPLIT, Page
from storage.columns import STRING
from storage.kernels.levels import find_entries, find_values, pick_numbers, read_levels
from storage.kernels.plain import (
    copy_strings,
    find_strings,
    measure_strings,
    pick_bits,
    pick_differences,
    pick_plain,
    pick_split,
    renumber,
)
from storage.pick import runs

Numbers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_LEVELS_PREFIX = 4


class UnknownEncodingError(Exception):
    """A page is encoded in a way that only Arrow reads."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What a list column's rows hold: so many entries each, and the definition level of each entry."""

    counts: Numbers
    levels: Bytes


@dataclass(frozen=True, slots=True)
class Picked:
    """The entries of a page that are wanted: which of its values each is, -1 for none; its values begin at `start`."""

    page: Page
    start: int
    places: Numbers
    entries: Entries | None = None


def pick_entries(page: Page, leaf: Leaf, rows: Numbers) -> Picked:
    """Find the entries of the given rows (ascending) of a page. Raises ValueError where it is damaged."""
    if leaf.is_list:
        return _pick_lists(page, leaf, rows)
    if len(rows) and int(rows[-1]) >= page.values:
        _refuse()
    if leaf.levels[-1] == 0:
        return Picked(page, 0, rows)
    places = np.empty(len(rows), np.int64)
    start, stop = _levels(page.data, 0)
    if not find_values(page.data, start, stop, rows, places):
        _refuse()
    return Picked(page, stop, places)


def _levels(data: Bytes, at: int) -> tuple[int, int]:
    """Return where levels begin and end."""
    start = at + _LEVELS_PREFIX
    stop = start + int.from_bytes(data[at:start].tobytes(), "little")
    if stop > len(data):
        _refuse()
    return start, stop


def _refuse() -> None:
    msg = "a page does not hold the values that it should"
    raise ValueError(msg)


def _pick_lists(page: Page, leaf: Leaf, rows: Numbers) -> Picked:
    repetition, definition = np.empty(page.values, np.uint8), np.empty(page.values, np.uint8)
    start, stop = _levels(page.data, 0)
    known = read_levels(page.data, start, stop, 1, repetition)
    start, stop = _levels(page.data, stop)
    known = known and read_levels(page.data, start, stop, leaf.levels[-1].bit_length(), definition)
    firsts, counts = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    if not known or not find_entries(repetition, rows, firsts, counts):
        _refuse()
    wanted = runs(firsts, counts)
    is_value = definition == leaf.levels[-1]
    places = np.where(is_value, np.cumsum(is_value) - 1, -1)[wanted]
    return Picked(page, stop, places, Entries(counts, definition[wanted]))


def join_entries(picked: Sequence[Picked]) -> Entries:
    """Return the entries of several pages as one."""
    entries = [each.entries for each in picked if each.entries is not None]
    return Entries(np.concatenate([e.counts for e in entries]), np.concatenate([e.levels for e in entries]))


def decode(picked: Sequence[Picked], dictionary: Page | None, type_: pa.DataType) -> pa.Array:
    """Return the entries of pages one after another, null where there is no value.

    Raises ValueError where a page is damaged, UnknownEncodingError.
    """
    places = picked[0].places if len(picked) == 1 else np.concatenate([each.places for each in picked])
    valid = places >= 0
    found = int(np.count_nonzero(valid))
    if not found:
        return pa.nulls(len(places), type_)
    bitmap = NO_BITS if found == len(places) else np.packbits(valid, bitorder="little")
    coded = {each.page.encoding in DICTIONARY for each in picked if (each.places >= 0).any()}
    if len(coded) > 1:
        raise UnknownEncodingError
    is_text = type_ in {STRING, pa.string(), pa.binary()}
    if coded.pop():
        codes = _codes(picked)
        make = _coded_text if is_text else _coded_numbers
        return make(_needed(dictionary), codes, type_, bitmap, len(places) - found)
    if is_text:
        return _plain_text(picked, type_)
    return _plain_numbers(picked, type_, bitmap, len(places) - found)


def _needed(dictionary: Page | None) -> Page:
    if dictionary is None or dictionary.encoding not in {PLAIN, *DICTIONARY}:
        msg = "a column's dictionary is missing"
        raise ValueError(msg)
    return dictionary


def _codes(picked: Sequence[Picked]) -> Numbers:
    """Return the codes of dictionary pages, -1 for nulls."""
    parts = []
    for each in picked:
        data, codes = each.page.data, np.full(len(each.places), -1)
        if (each.places >= 0).any():
            width = int(data[each.start]) if each.start < len(data) else -1
            if not pick_numbers(data, each.start + 1, len(data), width, each.places, codes):
                _refuse()
        parts.append(codes)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _coded_numbers(dictionary: Page, codes: Numbers, type_: pa.DataType, bitmap: Bytes, nulls: int) -> pa.Array:
    width = type_.bit_width // 8
    out = np.empty(len(codes) * width, np.uint8)
    if not width or not pick_plain(dictionary.data, 0, width, codes, out):
        _refuse()
    return from_values(len(codes), out, type_, bitmap, nulls)


def _coded_text(dictionary: Page, codes: Numbers, type_: pa.DataType, bitmap: Bytes, nulls: int) -> pa.Array:
    if type_ != STRING:
        return _text(dictionary, 0, codes, type_, bitmap, nulls)
    indices, used = np.empty(len(codes), np.int32), np.empty(len(codes), np.int64)
    count = renumber(codes, dictionary.values, indices, used)
    if count < 0:
        _refuse()
    strings = _text(dictionary, 0, used[:count], pa.string())
    return pa.DictionaryArray.from_arrays(
        from_values(len(codes), indices, pa.int32(), bitmap, nulls), strings, safe=False
    )


def _text(
    page: Page, start: int, wanted: Numbers, type_: pa.DataType, bitmap: Bytes = NO_BITS, nulls: int = 0
) -> pa.Array:
    """Return some of the strings that stand in a page from `start` on, empty for -1."""
    places = np.empty(min(int(wanted.max()) + 1, page.values) + 1, np.int64)
    lengths = np.empty(len(wanted), np.int64)
    known = find_strings(page.data, start, places) == len(places) - 1
    size = measure_strings(places, wanted, lengths) if known else -1
    if not 0 <= size < 1 << 31:
        _refuse()
    starts, text = np.empty(len(wanted) + 1, np.int32), np.empty(size, np.uint8)
    copy_strings(page.data, places, wanted, starts, text)
    buffers = [pa.py_buffer(bitmap) if nulls else None, pa.py_buffer(starts), pa.py_buffer(text)]
    return pa.Array.from_buffers(type_, len(wanted), buffers, nulls)


def _plain_text(picked: Sequence[Picked], type_: pa.DataType) -> pa.Array:
    stored = pa.string() if type_ == STRING else type_
    parts = [_plain_text_of(each, stored) for each in picked]
    array = parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
    return array.dictionary_encode() if type_ == STRING else array


def _plain_text_of(each: Picked, type_: pa.DataType) -> pa.Array:
    if each.page.encoding != PLAIN:
        raise UnknownEncodingError
    nulls = int(np.count_nonzero(each.places < 0))
    if nulls == len(each.places):
        return pa.nulls(nulls, type_)
    bitmap = np.packbits(each.places >= 0, bitorder="little")
    return _text(each.page, each.start, each.places, type_, bitmap, nulls)


def _plain_numbers(picked: Sequence[Picked], type_: pa.DataType, bitmap: Bytes, nulls: int) -> pa.Array:
    is_bool = pa.types.is_boolean(type_)
    width = 1 if is_bool else type_.bit_width // 8
    parts = [_numbers(each, width, is_bool=is_bool) for each in picked]
    data = parts[0] if len(parts) == 1 else np.concatenate(parts)
    count = len(data) // width
    if is_bool:
        data = np.packbits(data, bitorder="little")
    return from_values(count, data, type_, bitmap, nulls)


def _numbers(each: Picked, width: int, *, is_bool: bool) -> Bytes:
    """Return the bytes of fixed-width values, or a byte for each boolean."""
    data, start, places = each.page.data, each.start, each.places
    encoding = each.page.encoding
    if encoding == DELTA and not is_bool and (places >= 0).any():
        return _differences(data, start, width, places)
    out = np.empty(len(places) * width, np.uint8)
    if encoding not in {PLAIN, SPLIT} or (is_bool and encoding != PLAIN):
        if (places >= 0).any():
            raise UnknownEncodingError
        return np.zeros_like(out)
    if is_bool:
        known = pick_bits(data, start, places, out)
    else:
        known = (pick_plain if encoding == PLAIN else pick_split)(data, start, width, places, out)
    if not known:
        _refuse()
    return out


def _differences(data: Bytes, start: int, width: int, places: Numbers) -> Bytes:
    numbers = np.empty(len(places), np.int64)
    if not pick_differences(data, start, places, numbers):
        _refuse()
    return numbers.astype(f"i{width}").view(np.uint8)
