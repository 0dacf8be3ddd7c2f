"""Frames of the write-ahead log: each comes back whole or not at all, and damage costs no more than itself."""

from __future__ import annotations

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.wal_frames import Damage, Frame, UnknownFrame, encode, scan

MARKER = b"\x01marker\xff"


def segment_of(*records: tuple[str, bytes], first: int = 1) -> bytes:
    """Return a segment with these records."""
    return b"".join(
        part for seq, (tenant, body) in enumerate(records, first) for part in encode(MARKER, seq, 7, tenant, body)
    )


def sound(data: bytes, floor: int = 1) -> dict[int, bytes]:
    """Return the bodies of the sound frames of a segment by number."""
    return {f.seq: data[f.body_start : f.stop] for f in scan(data, MARKER, floor) if isinstance(f, Frame)}


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=200)), max_size=10))
def test_scanning_gives_back_what_was_encoded(records: list[tuple[str, bytes]]) -> None:
    data = segment_of(*records)
    frames = list(scan(data, MARKER, 1))
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [(f.tenant, data[f.body_start : f.stop]) for f in frames if isinstance(f, Frame)] == records


@given(st.binary(max_size=500), st.binary(max_size=100))
def test_any_bytes_are_scanned_without_a_gap(noise: bytes, more: bytes) -> None:
    """Sound frames and damage together cover a segment exactly; no bytes make the scan fail."""
    data = noise + segment_of(("t", b"body")) + more
    at = 0
    for found in scan(data, MARKER, 1):
        assert found.start == at
        assert found.stop > at
        at = found.stop
    assert at == len(data)
    assert sound(data) == {1: b"body"}


def test_a_flipped_bit_anywhere_costs_its_own_frame_only() -> None:
    """Every bit of the middle one of three frames."""
    frames = [segment_of(("tenant", b"body of %d" % seq), first=seq) for seq in (1, 2, 3)]
    start, stop = len(frames[0]), len(frames[0]) + len(frames[1])
    whole = b"".join(frames)
    for at in range(start, stop):
        for bit in range(8):
            data = bytearray(whole)
            data[at] ^= 1 << bit
            assert sound(bytes(data)) == {1: b"body of 1", 3: b"body of 3"}
            assert [f for f in scan(bytes(data), MARKER, 1) if isinstance(f, Damage)] == [Damage(start, stop)]


def test_a_tail_torn_at_any_byte_is_the_only_loss() -> None:
    whole = segment_of(("t", b"one"), ("t", b"two"))
    first = len(segment_of(("t", b"one")))
    for cut in range(first + 1, len(whole)):
        found = list(scan(whole[:cut], MARKER, 1))
        assert found[1:] == [Damage(first, cut)]
        assert sound(whole[:cut]) == {1: b"one"}


@pytest.mark.parametrize("length", [2**32 - 1, 2**31, 10_000, 5])
def test_a_hostile_length_with_a_right_checksum_is_bounded(length: int) -> None:
    header = bytearray(encode(MARKER, 1, 7, "t", b"1234")[0])
    header[12:16] = length.to_bytes(4, "little")
    header[36:40] = google_crc32c.value(bytes(header[:36])).to_bytes(4, "little")
    data = bytes(header) + b"t1234" + segment_of(("t", b"next"), first=2)
    assert sound(data) == {2: b"next"}


def test_a_frame_inside_a_body_is_never_taken_for_one() -> None:
    """A client that knows the format, but not the marker, wraps a frame of another tenant; the outer one breaks."""
    inner = b"".join(encode(b"guessed!", 2, 7, "victim", b"forged"))
    data = bytearray(segment_of(("attacker", inner)) + segment_of(("t", b"next"), first=3))
    data[9] ^= 1
    assert sound(bytes(data)) == {3: b"next"}


def test_numbers_that_fall_are_damage() -> None:
    """Old bytes that come up behind newer ones do not become records again."""
    data = segment_of(("t", b"five"), first=5) + segment_of(("t", b"old"), first=4) + segment_of(("t", b"six"), first=6)
    assert sound(data, 5) == {5: b"five", 6: b"six"}
    assert sound(data, 6) == {6: b"six"}


def test_a_frame_of_a_newer_version_stops_everything() -> None:
    """It was acknowledged, so it may be neither cut as a tail nor skipped as damage."""
    header = bytearray(encode(MARKER, 1, 7, "t", b"body")[0])
    header[8] = 2
    header[36:40] = google_crc32c.value(bytes(header[:36])).to_bytes(4, "little")
    with pytest.raises(UnknownFrame, match="newer version"):
        sound(bytes(header) + b"tbody")
