"""Sockets that listen at every address of a host, and wait while the process can open nothing more."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterable

from tornado.ioloop import IOLoop

log = logging.getLogger(__name__)

#: What says that the process or the machine has no descriptor or memory left for another connection.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: How long nobody is let in then.
PAUSE_S = 1.0
#: What says that this machine has no such family of addresses, which is no reason not to serve the other one.
_NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def bind(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at all addresses of a host ("" is every interface), all at the port of the first.

    Raises OSError where one of them cannot be had.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, _, _, _, address in sorted(set(found)):  # IPv4 first
            taken = bound[0].getsockname()[1] if bound else port
            try:
                bound.append(socket.create_server((address[0], taken), family=family, backlog=socket.SOMAXCONN))
            except OSError as error:
                if error.errno not in _NO_SUCH_FAMILY or not bound:
                    raise
    except OSError:
        for listening in bound:
            listening.close()
        raise
    return patient(bound)


def patient(sockets: Iterable[socket.socket]) -> list[socket.socket]:
    """Return the same sockets, not blocking, for Tornado to accept at without trying again and again in vain."""
    found: list[socket.socket] = [PatientSocket(fileno=each.detach()) for each in sockets]
    for each in found:
        each.setblocking(False)
    return found


class PatientSocket(socket.socket):
    """Lets its event loop be for a moment where a connection cannot be opened; who waits in line stays there."""

    def accept(self) -> tuple[socket.socket, object]:
        """Accept a connection. Raises BlockingIOError where none can be opened now."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            log.warning("no connection is let in for %.1f s: %s", PAUSE_S, error.strerror)
            loop = IOLoop.current()
            loop.update_handler(self.fileno(), 0)
            loop.call_later(PAUSE_S, self._listen_again, loop)
            raise BlockingIOError from error

    def _listen_again(self, loop: IOLoop) -> None:
        if self.fileno() >= 0:  # not closed meanwhile
            loop.update_handler(self.fileno(), IOLoop.READ)
