"""Mutated real messages: a decoder takes them or refuses them, and what it takes is OTLP that the check accepts.

Where thriftpy2 reads a message and we do too, we read the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tempo_dask.errors import BadRequest
from tempo_dask.ingest.receivers import content_encoding, jaeger_thrift, otlp_json, thrift_structs
from tempo_dask.ingest.receivers.thrift_structs import read_struct
from tempo_dask.ingest.receivers.thrift_wire import STRING, BinaryReader, CompactReader, Reader, skip
from tempo_dask.kernels import otlp
from tests.ingest import thrift_oracle
from tests.ingest.exchanges import exchanges_of, sent_body
from tests.ingest.test_otlp_http import ENCODERS
from tests.ingest.test_translations import TRANSLATIONS, cases, sent_bytes
from tests.kernels.otlp_guarded import Guarded

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x0C, 0x0F, 0x1C)
QUICK, SOAK = 1_000, 1_000_000
LIMIT = 1 << 20

counts = pytest.mark.parametrize("count", [QUICK, pytest.param(SOAK, marks=pytest.mark.soak)])


def mutations(corpus: list[bytes], count: int) -> Iterator[bytes]:
    """Yield messages with bytes changed, cut out, doubled, or taken from another message."""
    chance = random.Random(7)
    for _ in range(count):
        message = bytearray(chance.choice(corpus))
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at = chance.randrange(len(message) + 1)
            end = min(at + chance.choice((1, 2, 4, 16)), len(message))
            match chance.randrange(6):
                case 0:
                    message[at:end] = bytes([chance.choice(INTERESTING)]) * (end - at)
                case 1:
                    message[at:end] = chance.randbytes(end - at)
                case 2:
                    del message[at:end]
                case 3:
                    message[at:at] = message[at:end]
                case 4:
                    del message[at:]
                case 5:
                    other = chance.choice(corpus)
                    message[at:end] = other[at:end]
        yield bytes(message)


def corpus_of(shared: Path, protocol: str) -> list[bytes]:
    corpus = [sent_bytes(case) for case in cases(shared) if case["protocol"] == protocol]
    return [message for message in corpus if len(message) < 4000] or corpus


def require_otlp_or_refusal(decode: Callable[[bytes], bytes], message: bytes) -> bytes | None:
    try:
        made = decode(message)
    except BadRequest:
        return None
    verdict = otlp.check([made])[0]
    assert not verdict.malformed, (message, verdict.error)
    return made


@counts
@pytest.mark.parametrize("protocol", TRANSLATIONS)
def test_translations(shared: Path, protocol: str, count: int) -> None:
    taken = [
        require_otlp_or_refusal(TRANSLATIONS[protocol], message)
        for message in mutations(corpus_of(shared, protocol), count)
    ]
    assert None in taken
    assert any(taken)


@counts
def test_otlp_json(shared: Path, count: int) -> None:
    exchanges = exchanges_of(shared, "ingest-otlp")
    corpus = [
        body
        for exchange in exchanges
        if exchange["status"] == 200 and (body := sent_body(exchange)) and body.startswith(b"{")
    ]
    for message in mutations(corpus, count):
        require_otlp_or_refusal(otlp_json.to_protobuf, message)


@counts
@pytest.mark.parametrize("encoding", ENCODERS)
def test_content_encodings(encoding: str, count: int) -> None:
    """The codecs read no further than the body: it ends at a page that cannot be read, so reading on is death."""
    memory = Guarded(2)
    corpus = [ENCODERS[encoding](raw) for raw in (b"", b"span" * 100, bytes(range(256)) * 8)]
    for body in mutations(corpus, count):
        try:
            placed = memory.place(body, at_end=True).data
            assert len(content_encoding.decompress(encoding, placed, LIMIT)) <= LIMIT
        except BadRequest:
            continue


@counts
@pytest.mark.parametrize("protocol", ["http", "binary", "compact"])
def test_thrift_is_what_thriftpy2_reads(
    shared: Path, protocol: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped: list[int] = []

    def skip_and_note(reader: Reader, kind: int) -> None:
        skipped.append(kind)
        skip(reader, kind)

    monkeypatch.setattr(thrift_structs, "skip", skip_and_note)
    corpus = corpus_of(shared, f"jaeger-thrift-{protocol}")
    agreed = 0
    for message in [*corpus, *mutations(corpus, count)]:
        skipped.clear()
        ours = read_ours(protocol, message)
        if ours is None:
            continue  # thriftpy2 may read for hours what claims to be a list of two thousand million
        if STRING in skipped:
            continue  # thriftpy2 takes it for the number that the field should be, and is out of step from there on
        theirs = read_theirs(protocol, message)
        if theirs is not None:
            assert canonical(ours) == canonical(theirs), message
            agreed += 1
    assert agreed >= len(corpus)


class AnyTrue(BinaryReader):
    """Takes any byte but 0 for true, as thriftpy2 does; Go's Thrift, and ours, takes 1 alone."""

    def boolean(self) -> bool:
        return self.take(1) != b"\x00"


def read_ours(protocol: str, message: bytes) -> Any:
    try:
        if protocol == "http":
            return read_struct(AnyTrue(message), jaeger_thrift._BATCH)
        reader = (CompactReader if protocol == "compact" else AnyTrue)(message)
        reader.message()
        return read_struct(reader, jaeger_thrift._ARGUMENTS)["batch"]
    except BadRequest:
        return None


def read_theirs(protocol: str, message: bytes) -> Any:
    return thrift_oracle.read_batch(message) if protocol == "http" else thrift_oracle.read_datagram(message, protocol)


def canonical(value: Any) -> Any:
    """Return values as both must read them.

    thriftpy2 makes text of bytes where it can and bytes of text where it must, and does not cut numbers that are
    longer than their type.
    """
    if isinstance(value, dict):
        return {key: canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [canonical(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float):
        return repr(value)  # not a number is not equal to itself
    return value % (1 << 32) if isinstance(value, int) else value


@pytest.mark.parametrize("reader", [BinaryReader, CompactReader])
def test_deep_structs_are_refused(reader: Any) -> None:
    """A field that nobody knows, of a struct in a struct in a struct ..."""
    field = b"\x0c\x00\x63" if reader is BinaryReader else b"\x0c\xc6\x01"
    with pytest.raises(BadRequest, match="depth limit exceeded"):
        read_struct(reader(field * 100_000), jaeger_thrift._BATCH)


def test_lists_cannot_claim_more_than_there_is() -> None:
    with pytest.raises(BadRequest, match="unexpected EOF"):
        jaeger_thrift.read_batch(b"\x0f\x00\x02\x0c\x7f\xff\xff\xff")
