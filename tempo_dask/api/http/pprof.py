"""`/debug/pprof`: profiles of this process that `go tool pprof` and its friends read.

`block`, `mutex`, `trace`, `symbol` and `cmdline` are not there: what they tell, Python does not record.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from threading import Lock

from tempo_dask.api.decode_numbers import parse_integer
from tempo_dask.api.http.handler import TEXT, TempoHandler
from tempo_dask.profiling import cpu_profile, heap_profile, thread_profile, thread_text

_BINARY = "application/octet-stream"
_INDEX = """/debug/pprof/

goroutine  where the threads are; ?debug=2 as text
heap       what Python allocates in ?seconds=1 and still holds (also: allocs)
profile    wall-clock time of all threads, sampled for ?seconds=30
"""
_profiling = Lock()


class IndexHandler(TempoHandler):
    """What there is."""

    route = "debug_pprof"

    async def answer(self, *_path: str) -> None:
        """Answer the list."""
        self.say(_INDEX)


class ThreadsHandler(TempoHandler):
    """Where the threads are."""

    route = "debug_pprof"

    async def answer(self, *_path: str) -> None:
        """Answer a profile, or text with `debug`."""
        if self.arguments.text("debug") in ("1", "2"):
            self.say(thread_text(), TEXT)
        else:
            await self.reply(_BINARY, thread_profile)


class SampledHandler(TempoHandler):
    """What is looked at for some seconds; there is one such profile at a time."""

    route = "debug_pprof"

    async def answer(self, *path: str) -> None:
        """Answer a profile of the next seconds: of the time, or of memory."""
        sample, usual = (cpu_profile, 30) if path[0] == "profile" else (heap_profile, 1)
        asked = self.arguments.read("seconds", lambda text: parse_integer(text, 32)) or 0
        seconds = asked if asked > 0 else usual
        if not _profiling.acquire(blocking=False):
            self.set_status(HTTPStatus.INTERNAL_SERVER_ERROR)
            self.say("Could not enable profiling: profiling already in use\n")
            return
        try:
            body = await asyncio.to_thread(sample, seconds)
        finally:
            _profiling.release()
        await self.reply(_BINARY, lambda: body)


routes = [
    (r"/debug/pprof/?", IndexHandler),
    (r"/debug/pprof/goroutine", ThreadsHandler),
    (r"/debug/pprof/(heap|allocs|profile)", SampledHandler),
]
