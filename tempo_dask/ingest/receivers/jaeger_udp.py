"""Jaeger's agent: batches in datagrams, to which nobody answers."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from tempo_dask import telemetry
from tempo_dask.errors import TempoDaskError
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers import jaeger_otlp, jaeger_thrift
from tempo_dask.ingest.receivers.jaeger_http import RECEIVER
from tempo_dask.ingest.receivers.thrift_wire import Reader
from tempo_dask.ingest.records import refused_spans

log = logging.getLogger(__name__)

#: Datagrams that are translated and pushed at a time; they share commit groups.
TOGETHER = 64


class JaegerUdpReceiver(asyncio.DatagramProtocol):
    """Takes datagrams of one of Thrift's protocols. What finds the queue full is lost, as datagrams are."""

    def __init__(
        self,
        push: Push,
        reader: Callable[[bytes], Reader],
        *,
        transport: str,
        queue_size: int = 1000,
        max_packet_bytes: int = 65_000,
        socket_buffer_bytes: int = 0,
    ) -> None:
        self._push = push
        self._reader = reader
        self._name = transport
        self._max_packet_bytes = max_packet_bytes
        self._socket_buffer_bytes = socket_buffer_bytes
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(queue_size)
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port. Raises OSError where the address cannot be had."""
        loop = asyncio.get_running_loop()
        address = (host or "0.0.0.0", port)  # noqa: S104  # an operator who names no host wants every interface
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=address)
        listening: socket.socket = self._transport.get_extra_info("socket")
        if self._socket_buffer_bytes:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._socket_buffer_bytes)
        self._tasks = [asyncio.create_task(self._work()) for _ in range(TOGETHER)]
        return int(listening.getsockname()[1])

    async def stop_receiving(self) -> None:
        """Take no more datagrams, and push those that wait."""
        if self._transport is not None:
            self._transport.close()
            await self._queue.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Nothing is left to be closed."""

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  # the protocol's signature
        """Queue a datagram, if it is not too large and there is room."""
        if len(data) <= self._max_packet_bytes and not self._queue.full():
            self._queue.put_nowait(data)
        else:
            telemetry.DROPPED_DATAGRAMS.labels(self._name).inc()

    async def _work(self) -> None:
        while True:
            datagram = await self._queue.get()
            try:
                await self._take(datagram)
            except Exception:  # a fault of ours must not end the work on datagrams
                log.exception("a datagram of %s could not be taken", self._name)
            finally:
                self._queue.task_done()

    async def _take(self, datagram: bytes) -> None:
        try:
            body = jaeger_otlp.to_otlp(jaeger_thrift.read_datagram(self._reader, datagram))
            spans = await self._push((), body)
        except TempoDaskError as error:
            telemetry.REFUSED_SPANS.add(RECEIVER, self._name, refused_spans(error))
            log.debug("a datagram of %s is refused: %s", self._name, error)
        else:
            telemetry.ACCEPTED_SPANS.add(RECEIVER, self._name, spans)
