"""OTLP over HTTP answers as recorded, and no body can fill the memory."""

from __future__ import annotations

import asyncio
import base64
import errno
import gzip
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import cramjam
import numpy as np
import orjson
import pyarrow as pa
import pytest

from tempo_dask.errors import TooManyRequests, Unavailable
from tempo_dask.ingest.rates import RateLimited
from tempo_dask.ingest.receivers import binding
from tempo_dask.ingest.receivers import http_bodies as receiver
from tempo_dask.ingest.receivers.otlp_http import TracesHandler
from tempo_dask.ingest.room import Overloaded
from tests.ingest.conftest import Taken
from tests.ingest.http_client import Answer, ask_async
from tests.ingest.numbered import body

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
TOO_LARGE = b"\x08\x03\x12\x1chttp: request body too large"
MIB = 1 << 20


def payload(exchange: dict) -> bytes | None:
    text = exchange.get("body")
    if text is None:
        return None
    return base64.b64decode(text) if exchange.get("encoding") == "base64" else text.encode()


def recorded_body(exchange: dict) -> bytes:
    text = exchange.get("response_body", "")
    return base64.b64decode(text) if exchange.get("response_encoding") == "base64" else text.encode()


def same_error(answer: Answer, exchange: dict) -> bool:
    """Texts of Go's JSON decoder are its own; of the rest the message must be the same."""
    if answer.headers["Content-Type"] == "application/json":
        ours, theirs = answer.json, orjson.loads(recorded_body(exchange))
        own_text = theirs["message"].startswith(("Read", "ID.Unmarshal"))
        return ours["code"] == theirs["code"] and (own_text or ours["message"] == theirs["message"])
    return answer.body == recorded_body(exchange)


async def test_recorded_exchanges(shared: Path, otlp_http: str) -> None:
    lines = (shared / "conformance" / "http-exchanges.jsonl").read_bytes().splitlines()
    exchanges = [e for e in map(orjson.loads, lines) if e["area"] == "ingest-otlp" and "body_note" not in e]
    assert len(exchanges) > 60
    wrong = []
    for exchange in exchanges:
        headers = exchange["headers"]
        answer = await ask_async(otlp_http + exchange["path"], exchange["method"], payload(exchange), headers)
        expected = (exchange["status"], exchange["response_headers"].get("content-type"))
        same = (answer.status, answer.headers["Content-Type"]) == expected
        if answer.status == 400:
            same = same and same_error(answer, exchange)
        elif exchange["method"] != "HEAD":
            same = same and answer.body == recorded_body(exchange)
        if not same:
            wrong.append(
                (
                    exchange.get("note"),
                    exchange["headers"],
                    answer.status,
                    answer.body,
                    expected,
                    exchange["response_body"],
                )
            )
    assert wrong == []


ENCODERS = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": zlib.compress,
    "zstd": lambda raw: pa.compress(raw, "zstd", asbytes=True),
    "lz4": lambda raw: bytes(cramjam.lz4.compress(raw)),
    "snappy": lambda raw: bytes(cramjam.snappy.compress_raw(raw)),
    "x-snappy-framed": lambda raw: bytes(cramjam.snappy.compress(raw)),
}


@pytest.mark.parametrize("encoding", ENCODERS)
async def test_a_body_that_unpacks_to_too_much_is_refused(otlp_http: str, taken: Taken, encoding: str) -> None:
    bomb = ENCODERS[encoding](bytes(64 * MIB))
    answer = await ask_async(f"{otlp_http}/v1/traces", "POST", bomb, PROTOBUF | {"Content-Encoding": encoding})
    assert (answer.status, answer.body) == (400, TOO_LARGE)
    assert taken.bodies == []


@pytest.mark.parametrize("encoding", ENCODERS)
async def test_every_encoding_gives_what_was_sent(otlp_http: str, taken: Taken, encoding: str) -> None:
    sent = body(range(2000))
    packed = ENCODERS[encoding](sent)
    answer = await ask_async(f"{otlp_http}/v1/traces", "POST", packed, PROTOBUF | {"Content-Encoding": encoding})
    assert (answer.status, answer.body) == (200, b"\n\x00")
    assert taken.bodies == [sent]


@pytest.mark.parametrize("encoding", ENCODERS)
async def test_damaged_encodings_are_bad_requests(otlp_http: str, encoding: str) -> None:
    packed = bytearray(ENCODERS[encoding](np.random.default_rng(1).bytes(5000)))
    half = bytes(packed[: len(packed) // 2])
    packed[10:60] = b"\xaa" * 50
    for damaged in (half, bytes(packed)):
        answer = await ask_async(f"{otlp_http}/v1/traces", "POST", damaged, PROTOBUF | {"Content-Encoding": encoding})
        assert answer.status == 400, damaged[:20]


async def test_gzip_members_follow_each_other(otlp_http: str, taken: Taken) -> None:
    packed = gzip.compress(body([1])) + gzip.compress(body([2]))
    answer = await ask_async(f"{otlp_http}/v1/traces", "POST", packed, PROTOBUF | {"Content-Encoding": "gzip"})
    assert answer.status == 200
    assert taken.bodies == [body([1]) + body([2])]


@pytest.mark.parametrize("chunked", [False, True])
async def test_100_mib_are_refused_and_forgotten(otlp_http: str, taken: Taken, chunked: bool) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(MIB)

    headers = PROTOBUF if chunked else PROTOBUF | {"Content-Length": str(100 * MIB)}
    answer = await ask_async(f"{otlp_http}/v1/traces", "POST", pieces(), headers)
    assert (answer.status, answer.body) == (400, TOO_LARGE)
    assert (await ask_async(f"{otlp_http}/v1/traces", "POST", body([1]), PROTOBUF)).status == 200


@pytest.mark.parametrize("length", ["5, 5", "abc", "", "9" * 5000])
async def test_a_length_that_is_no_number_is_the_senders_fault(otlp_http: str, length: str) -> None:
    sent = b"abcde" if "," in length else b""
    answer = await ask_async(f"{otlp_http}/v1/traces", "POST", sent, PROTOBUF | {"Content-Length": length})
    assert answer.status == 400
    assert bool(answer.body) == bool(sent)  # a body that is read is found to be no protobuf


async def test_bodies_in_flight_are_bounded(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once half a body has come and fills the room, the next one finds none; it does when the half goes away."""
    monkeypatch.setattr(receiver, "IN_FLIGHT_BYTES", MIB)
    monkeypatch.setattr(receiver, "BODY_TIMEOUT_S", 3600)
    intake = receiver.Intake(taken.push)
    server = receiver.HttpReceiver([("/v1/traces", TracesHandler)], intake)
    port = await server.start("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port}/v1/traces"
    half_sent = socket.create_connection(("127.0.0.1", port))
    try:
        half_sent.sendall(half_a_request(2 * MIB))
        await asyncio.to_thread(half_sent.sendall, bytes(MIB - 1000))
        # Not before: while both come in, it may as well be the half that finds no room, and is forgotten.
        await until_in_flight(intake, MIB - 1000)
        assert (await ask_async(url, "POST", body(range(100)), PROTOBUF)).status == 503
        half_sent.close()
        await until_in_flight(intake, 0)
        assert (await ask_async(url, "POST", body(range(100)), PROTOBUF)).status == 200
    finally:
        half_sent.close()
        await server.stop_receiving()
        await server.stop()


async def test_who_cannot_be_let_in_waits(otlp_http: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor for a connection the server neither spins nor gives up."""
    monkeypatch.setattr(binding, "PAUSE_S", 0.05)
    accept, has_room = socket.socket.accept, False
    tries: list[socket.socket] = []

    def exhausted(listening: socket.socket) -> tuple[socket.socket, object]:
        tries.append(listening)
        if has_room:
            return accept(listening)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    sending = asyncio.ensure_future(ask_async(f"{otlp_http}/v1/traces", "POST", body([1]), PROTOBUF))
    while not tries:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    assert len(tries) < 50
    has_room = True
    assert (await sending).status == 200


def half_a_request(length: int) -> bytes:
    headers = {"Host": "127.0.0.1", "Content-Length": length} | PROTOBUF
    lines = ["POST /v1/traces HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


async def until_in_flight(intake: receiver.Intake, size: int) -> None:
    async with asyncio.timeout(300):
        while intake.in_flight.size != size:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(Unavailable("full"), 503, 14), (TooManyRequests("slow down"), 429, 8)],
)
async def test_errors_of_the_write_path(otlp_http: str, taken: Taken, error: Exception, status: int, code: int) -> None:
    taken.error = error
    answer = await ask_async(f"{otlp_http}/v1/traces", "POST", b"{}", JSON)
    assert (answer.status, answer.json) == (status, {"code": code, "message": str(error)})
    answer = await ask_async(f"{otlp_http}/v1/traces", "POST", b"", PROTOBUF)
    assert (answer.status, answer.body[:2]) == (status, bytes([8, code]))


@pytest.mark.parametrize(
    ("error", "status", "code", "delay"),
    [(Overloaded("full"), 503, 14, "1s"), (RateLimited("full", 3, 0.5), 429, 8, "0.5s")],
)
async def test_who_sends_too_much_is_told_when_to_return(
    otlp_http: str, taken: Taken, error: Exception, status: int, code: int, delay: str
) -> None:
    """To the part of a second in the body; the header knows whole seconds alone."""
    taken.error = error
    answer = await ask_async(f"{otlp_http}/v1/traces", "POST", b"{}", JSON)
    assert (answer.status, answer.headers["Retry-After"]) == (status, "1")
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    assert answer.json == {"code": code, "message": "full", "details": [retry]}
