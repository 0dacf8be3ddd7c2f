"""One port for HTTP/1.1 and HTTP/2: the first bytes of a connection, or ALPN under TLS, say which it is.

HTTP/2 is gRPC here. Such a connection is spliced, as it is, to the socket of the gRPC server; any other is served by
Tornado on the socket that was accepted.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: A connection has so long for its first bytes.
FIRST_BYTES_S = 120.0
_REST_OF_PREFACE_S = 0.005
_PIECE_BYTES = 1 << 16


class TwoProtocolServer(HTTPServer):
    """Serves HTTP/1.1, and hands HTTP/2 on to the Unix socket at `http2_path`, where there is one."""

    def initialize(self, *args: Any, http2_path: Path | None = None, **options: Any) -> None:
        """Take what an HTTPServer takes."""
        super().initialize(*args, **options)
        self._http2_path = http2_path
        self._tasks: set[asyncio.Task[None]] = set()

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve a connection."""
        if self._http2_path is None:
            super().handle_stream(stream, address)
            return
        task = asyncio.ensure_future(self._serve(stream, address, self._http2_path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close_all_connections(self) -> None:
        """Close what is open, of both protocols."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().close_all_connections()

    async def _serve(self, stream: IOStream, address: Any, http2_path: Path) -> None:
        try:
            async with asyncio.timeout(FIRST_BYTES_S):
                is_http2 = await _is_http2(stream)
            if is_http2:
                await splice(stream, http2_path)
            else:
                super().handle_stream(stream, address)
        except (OSError, StreamClosedError, TimeoutError):  # it left, or failed the handshake
            stream.close()
        except asyncio.CancelledError:
            stream.close()
            raise


async def _is_http2(stream: IOStream) -> bool:
    if isinstance(stream, SSLIOStream):
        await stream.wait_for_handshake()
        return bool(stream.socket.selected_alpn_protocol() == "h2")
    return await begins_with_preface(stream.socket)


async def begins_with_preface(connection: socket.socket) -> bool:
    """Return whether HTTP/2 is spoken, and leave what was sent to be read."""
    while True:
        await _readable(connection)
        first = connection.recv(len(PREFACE), socket.MSG_PEEK)
        if first == PREFACE or not first or not PREFACE.startswith(first):
            return first == PREFACE
        await asyncio.sleep(_REST_OF_PREFACE_S)  # it is readable all the time


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    descriptor = connection.fileno()
    loop.add_reader(descriptor, _done, ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def splice(stream: IOStream, path: Path) -> None:
    """Carry bytes between a connection and a Unix socket until either ends; what is not taken is not read."""
    stream.set_nodelay(True)
    other = IOStream(socket.socket(socket.AF_UNIX))
    pumps = []
    try:
        await other.connect(str(path))
        pumps = [asyncio.ensure_future(_pump(stream, other)), asyncio.ensure_future(_pump(other, stream))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        other.close()
        stream.close()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(source: IOStream, target: IOStream) -> None:
    while True:
        await target.write(await source.read_bytes(_PIECE_BYTES, partial=True))
