"""Pieces of work: requests, and the resources and scopes in them, which are held until their row is known.

What a ResourceSpans says of its resource may stand behind its spans and come in several parts, and so with scopes. So
they are held while the message around them is walked, get a row when it ends, and are walked last.
"""

from __future__ import annotations

from tempo_dask.kernels.otlp_intern import UNNUMBERED, find_or_add, intern, number_of, set_number
from tempo_dask.kernels.otlp_state import SPANS, TABLES, WORK, WORK_ADDRESS, get, next_number, put
from tempo_dask.kernels.otlp_wire import called, constants, inlined, load_64, stay_apart, store_32, store_64

# A piece: where it lies and ends, the message that it holds, its row (-1: not yet known).
PIECE_AT, PIECE_END, PIECE_MESSAGE, PIECE_ROW, PIECE_BYTES = constants(range(0, 40, 8))
(LEFT_OUT,) = constants((-1,))  # as message: an equal resource or scope has been held before


@inlined
def piece_at(state: int, number: int) -> int:
    """Return the address of a piece of work."""
    return get(state, WORK_ADDRESS) + PIECE_BYTES * number


@inlined
def hold(state: int, at: int, end: int, message: int) -> bool:
    """Add a piece of work; return whether there was room."""
    number = next_number(state, WORK)
    if number < 0:
        return False
    piece = piece_at(state, number)
    store_64(piece + PIECE_AT, at)
    store_64(piece + PIECE_END, end)
    store_64(piece + PIECE_MESSAGE, message)
    store_64(piece + PIECE_ROW, -1)
    return True


@inlined
def begin_around(state: int, fields: int) -> None:
    """Begin a message around spans: no schema url yet, and what comes now is within."""
    put(state, fields, 0)
    put(state, fields + 1, 0)
    put(state, fields + 2, get(state, SPANS))
    put(state, fields + 3, get(state, WORK))


@inlined
def _is_part(piece: int, message: int) -> bool:
    return load_64(piece + PIECE_MESSAGE) == message and load_64(piece + PIECE_ROW) < 0


@called
def _row_of_held(state: int, first: int, message: int, table: int, url: int) -> int:
    """Return the row of what was held since `first`, an equal one's or a new one, -1 if there is no room.

    Resources and scopes are equal if their bytes and schema urls are. One that comes in several parts is merged,
    and never equal to another.
    """
    stay_apart()
    parts = 0
    part = 0
    for number in range(first, get(state, WORK)):
        if _is_part(piece_at(state, number), message):
            parts += 1
            part = piece_at(state, number)
    if parts <= 1:
        at = load_64(part + PIECE_AT) if parts else 0
        size = load_64(part + PIECE_END) - at if parts else 0
        string = find_or_add(state, -TABLES * (url + 1) - 1 - table, at, size)
        if number_of(string) != UNNUMBERED:
            if parts:
                store_64(part + PIECE_MESSAGE, LEFT_OUT)
            return number_of(string)
        set_number(string, get(state, table))
        if parts == 0 and not hold(state, 0, 0, message):
            return -1
    row = next_number(state, table)
    for number in range(first, get(state, WORK)):
        if _is_part(piece_at(state, number), message):
            store_64(piece_at(state, number) + PIECE_ROW, row)
    return row


@called
def end_around(state: int, message: int, table: int, urls: int, column: int, url_column: int, fields: int) -> bool:
    """End a message around spans: give them the row of what was held in it; return whether there was room.

    `column` is that of the row in spans, `url_column` that of the schema url, whose dictionary is `urls`.
    """
    stay_apart()
    url = number_of(intern(state, urls, get(state, fields), get(state, fields + 1)))
    row = _row_of_held(state, get(state, fields + 3), message, table, url)
    if row < 0:
        return False
    store_32(get(state, url_column) + 4 * row, url)
    rows = get(state, column)
    for span in range(get(state, fields + 2), get(state, SPANS)):
        store_32(rows + 4 * span, row)
    return True
