"""A server that takes OTLP over HTTP, keeps what it gets, and answers what it is told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

TAKEN = (200, {}, b"\x0a\x00")


class FakeReceiver(ThreadingHTTPServer):
    """Answers `answers` one by one, then 200; `taken` holds (media type, body) of what was answered 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: deque[tuple[int, dict[str, str], bytes]] = deque()
        self.taken: list[tuple[str, bytes]] = []
        self.requests = 0
        self.connections = 0
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeReceiver

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.requests += 1
            status, headers, answer = self.server.answers.popleft() if self.server.answers else TAKEN
            if self.path != "/v1/traces":
                status, headers, answer = 404, {}, b"404 page not found\n"
            if status == 200:
                self.server.taken.append((self.headers["Content-Type"], body))
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(answer))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server calls
        pass


@contextmanager
def receiving() -> Iterator[FakeReceiver]:
    """Run a receiver on a free port."""
    with FakeReceiver() as receiver:
        thread = Thread(target=receiver.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()
