"""Datagrams become spans, whatever else comes in between."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tempo_dask.ingest.receivers.jaeger_udp import JaegerUdpReceiver
from tempo_dask.ingest.receivers.thrift_wire import BinaryReader, CompactReader
from tests.ingest.conftest import Taken
from tests.ingest.test_translations import TRANSLATIONS, cases

READERS = {"compact": CompactReader, "binary": BinaryReader}


@pytest.fixture(params=READERS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def port(taken: Taken, protocol: str) -> AsyncIterator[int]:
    receiver = JaegerUdpReceiver(taken.push, READERS[protocol], transport=f"udp_thrift_{protocol}")
    yield await receiver.start("127.0.0.1", 0)
    await receiver.stop_receiving()


async def test_datagrams_are_taken(shared: Path, taken: Taken, protocol: str, port: int) -> None:
    name = f"jaeger-thrift-{protocol}"
    datagrams = [base64.b64decode(case["sent"]["base64"]) for case in cases(shared) if case["protocol"] == name]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in [b"", b"junk", datagrams[0][:-1], *datagrams]:
            sender.sendto(datagram, ("127.0.0.1", port))
    async with asyncio.timeout(300):
        while len(taken.bodies) < len(datagrams):
            await asyncio.sleep(0.01)
    assert sorted(taken.bodies) == sorted(TRANSLATIONS[name](datagram) for datagram in datagrams)
