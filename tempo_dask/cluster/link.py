"""A thread that talks to Dask's scheduler and workers in their own way."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from distributed.core import ConnectionPool
from distributed.security import Security

T = TypeVar("T")

STOP_S = 5.0
_NO_KEYWORDS = pickle.dumps({})


class WorkerFailed(Exception):
    """A worker answers, but could not do what was asked of it for a reason that is its own."""


class Link:
    """Connections to the servers of a cluster, kept open and shared, on an event loop of their own.

    `submit` may be called from any thread; the coroutines run on the loop.
    """

    def __init__(self, security: Security) -> None:
        self._security = security
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="cluster", daemon=True)
        self._pool: Any = None  # of the loop's thread
        self._thread.start()
        self.submit(self._open()).result()

    def submit(self, call: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine; to cancel what is returned cancels it."""
        return asyncio.run_coroutine_threadsafe(call, self._loop)

    async def ask(self, address: str, function: Callable[..., Any], *arguments: object) -> Any:
        """Return what a function of ours returns in another process.

        Raises OSError where it cannot be reached any more, WorkerFailed where the call ends with an error there.
        """
        called = {"function": pickle.dumps(function), "args": pickle.dumps(arguments), "kwargs": _NO_KEYWORDS}
        reply = await self._pool(address).run(**called)
        if reply["status"] != "OK":
            msg = f"{address}: {reply.get('text') or reply.get('exception_text') or 'it cannot say why'}"
            raise WorkerFailed(msg)
        return reply["result"]

    async def call(self, address: str, operation: str, **arguments: object) -> Any:
        """Return what a server answers to one of Dask's own operations. Raises OSError."""
        return await getattr(self._pool(address), operation)(**arguments)

    def close(self) -> None:
        """Close all connections and end the thread."""
        self.submit(self._close()).result(STOP_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _open(self) -> None:
        self._pool = await ConnectionPool(
            connection_args=self._security.get_connection_args("client")  # type: ignore[no-untyped-call]
        )

    async def _close(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=STOP_S / 2)
        await self._pool.close()
